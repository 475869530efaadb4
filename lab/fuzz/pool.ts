import type { Schema } from './schema.ts';

/**
 * Texts and numbers that replies held: ids, SKUs, keys, totals, rounds. What fits a schema is often one of them, so that requests
 * are about something.
 */
export interface Pool {
  /** `about`: the id of what it tells of, where it has none itself. */
  learn(value: unknown, about?: string): void;
  /** Never gives way to what replies hold: most of that are echoes of what was drawn here. */
  learnForGood(value: unknown): void;
  /** The request is about what has this id: what is known of that comes first. Undefined: about nothing known. */
  turnTo(id: string | undefined): void;
  /** The best first: of what the request is about, of what was learnt for good, of anything. */
  fitting(schema: Schema, name: string): readonly (readonly string[])[];
}

/** By the name of the field that they were in; the newest last. */
type Texts = Map<string, Set<string>>;

const textsMax = 400;
const thingsMax = 400;
const idPattern = /^[a-z]+_[0-9A-Z]{26}$/;

/** `spared` is never learnt. */
export function createPool(spared: ReadonlySet<string> = new Set()): Pool {
  const all: Texts = new Map();
  const forGood: Texts = new Map();
  const things = new Map<string, Texts>();
  let current: Texts = new Map();

  function thing(id: string): Texts {
    const known = things.get(id) ?? new Map();
    things.delete(id);
    things.set(id, known);
    if (things.size > thingsMax) things.delete(things.keys().next().value as string);
    return known;
  }

  function learnInto(into: readonly Texts[], value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    const { id } = value as { id?: unknown };
    const own = typeof id === 'string' && idPattern.test(id) ? [...into, thing(id)] : into;
    for (const [name, field] of Object.entries(value)) {
      const isText = typeof field === 'string' && field.length <= 255;
      if (spared.has(field)) continue;
      if (isText || typeof field === 'number') {
        for (const texts of own) keep(texts, Array.isArray(value) ? '' : name, String(field));
      } else learnInto(own, field);
    }
  }

  return {
    learn: (value, about) => learnInto([all, ...(about === undefined ? [] : [thing(about)])], value),
    learnForGood: (value) => learnInto([forGood], value),
    turnTo(id) {
      current = (id === undefined ? undefined : things.get(id)) ?? new Map();
    },
    fitting({ pattern, minLength = 0, maxLength = Infinity }, name) {
      const shape = pattern === undefined ? undefined : new RegExp(pattern, 'u');
      const fits = (text: string) =>
        text.length >= minLength && text.length <= maxLength && (shape?.test(text) ?? true);
      const of = (called: string) =>
        [current, forGood, all].map((texts) => [...(texts.get(called) ?? [])].filter(fits));
      const same = of(name);
      const named = name.endsWith('Id') && same.every((texts) => texts.length === 0) ? of('id') : same;
      // An id is called `id` where it is made, `orderId` where it is meant.
      const isOwn = pattern !== undefined && /^\^[a-z]+_/.test(pattern);
      if (!isOwn || named.some((texts) => texts.length > 0)) return named;
      return [current, all].map((texts) => [...texts.values()].flatMap((some) => [...some].filter(fits)));
    },
  };
}

function keep(texts: Texts, name: string, text: string): void {
  const known = texts.get(name) ?? new Set();
  texts.set(name, known);
  known.delete(text);
  known.add(text);
  if (known.size > textsMax) known.delete(known.values().next().value as string);
}
