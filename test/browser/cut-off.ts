import { contractProblems } from '#kit/contract';
import type { Transport } from '#kit/runtime';

/** Services that can't be called while they are in `away`: `cutOff` is for the `transport` seam of a shop. */
export function createCutOff() {
  const away = new Set<string>();
  const cutOff = (transport: Transport): Transport => ({
    send: async (request, signal) => {
      if (away.has(request.service)) throw contractProblems.unavailable({ detail: `${request.service} is cut off` });
      return transport.send(request, signal);
    },
  });
  return { away, cutOff };
}
