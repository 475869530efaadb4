import { keptKey as kept } from '#ui/kept-key.ts';

/** The key of something that staff are about to do: see there. */
export const keptKey = (what: string, payload: unknown) => kept(`holdfast.console.key.${what}`, payload);
