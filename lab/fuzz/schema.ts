import fc from 'fast-check';
import type { Random } from '#kit/runtime';
import type { Pool } from './pool.ts';

/** As much of JSON Schema 2020-12 as the contracts use. */
export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Draws from one stream of chance. */
export interface Draw {
  /** True once in `n` times. */
  once(n: number): boolean;
  /** From 0 to `n` - 1. */
  below(n: number): number;
  pick<T>(values: readonly T[]): T;
}

export function drawFrom(random: Random): Draw {
  const below = (n: number) => Math.floor(random.next() * n);
  return { below, once: (n) => below(n) === 0, pick: (values) => values[below(values.length)] as never };
}

/** A value that fits the schema. `name`: of the field that it is for. */
export function fitting(schema: Schema, name: string, draw: Draw, pool: Pool): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return draw.pick(schema.enum);
  if (schema.anyOf) return fitting(draw.pick(schema.anyOf), name, draw, pool);
  switch (schema.type) {
    case 'object':
      return fittingObject(schema, draw, pool);
    case 'array':
      return fittingArray(schema, name, draw, pool);
    case 'integer':
    case 'number':
      return fittingNumber(schema, name, draw, pool);
    case 'boolean':
      return draw.once(2);
    case 'null':
      return null;
    case 'string':
      return fittingText(schema, name, draw, pool);
    default:
      return draw.pick([{}, 'x', 1]);
  }
}

function fittingObject(schema: Schema, draw: Draw, pool: Pool): Record<string, unknown> {
  const { properties = {}, required = [], patternProperties = {} } = schema;
  const object: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(properties)) {
    // What is known to be right there is mostly wanted: an order without a SKU is of nothing.
    const isKnown = pool.fitting(field, name)[1]?.length;
    if (required.includes(name) || draw.once(isKnown ? 2 : 5)) object[name] = fitting(field, name, draw, pool);
  }
  for (const [pattern, field] of Object.entries(patternProperties)) {
    for (let i = draw.below(3); i >= 0; i--) {
      object[matching(pattern, draw)] = fitting(field, '', draw, pool);
    }
  }
  return object;
}

function fittingArray({ items = {}, minItems = 0, maxItems = 4 }: Schema, name: string, draw: Draw, pool: Pool) {
  const length = Math.min(maxItems, minItems + draw.below(3));
  return Array.from({ length }, () => fitting(items, name, draw, pool));
}

const wholeNumber = { pattern: '^-?\\d{1,15}$' };

function fittingNumber(
  { minimum = -1_000_000, maximum = 1_000_000 }: Schema,
  name: string,
  draw: Draw,
  pool: Pool,
): number {
  const fits = (text: string) => Number(text) >= minimum && Number(text) <= maximum;
  const [same, ...others] = pool.fitting(wholeNumber, name).map((known) => known.filter(fits));
  if (same?.length && !draw.once(4)) return Number(draw.pick(same));
  const known = others.flat();
  if (known.length > 0 && draw.once(3)) return Number(draw.pick(known));
  const near = Math.min(maximum, Math.max(minimum, 1) + draw.below(5));
  return draw.once(4) ? draw.pick([minimum, maximum, Math.max(minimum, 0)]) : near;
}

function fittingText(schema: Schema, name: string, draw: Draw, pool: Pool): string {
  for (const known of pool.fitting(schema, name)) {
    if (known.length > 0 && !draw.once(4)) return draw.pick(known);
  }
  const { pattern, minLength = 0, maxLength = 40 } = schema;
  if (pattern) return matching(pattern, draw).slice(0, maxLength).padEnd(minLength, 'a');
  const text = draw.pick([
    '',
    'Ada',
    'rope',
    '2026-03-01T10:00:00Z',
    'ünï ☃ 𝄞',
    `<b onmouseover=x>"'&amp;`,
    '=1+1',
    ' a\r\nb',
  ]);
  return (text.length > maxLength ? 'a' : text).padEnd(minLength, 'a');
}

function matching(pattern: string, draw: Draw): string {
  const [text = ''] = fc.sample(fc.stringMatching(new RegExp(pattern, 'u')), { seed: draw.below(2 ** 31), numRuns: 1 });
  return text;
}

const odd: readonly unknown[] = [
  null,
  true,
  '',
  ' ',
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e21,
  1e308,
  [],
  {},
  [[]],
  'x'.repeat(70_000),
  "'; drop table cart; --",
  '../../etc/passwd',
  '%00',
  '\u202Etxt',
  '\uFEFF',
  'Z͑ͫ̓',
  'true',
  '1',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999+14:00',
  '2026-02-30T10:00:00Z',
  { toString: 1 },
  { constructor: 1 },
  'a\r\nset-cookie: b',
];

/** The value with one thing wrong in it. */
export function spoilt(value: unknown, draw: Draw): unknown {
  if (typeof value !== 'object' || value === null || draw.once(8)) return draw.pick(odd);
  const names = Object.keys(value);
  if (Array.isArray(value)) {
    if (names.length === 0 || draw.once(6)) return [...value, ...value, draw.pick(odd)];
    const at = draw.below(names.length);
    return value.map((item, i) => (i === at ? spoilt(item, draw) : item));
  }
  if (names.length === 0 || draw.once(6))
    return { ...value, [draw.pick(['extra', '__proto__', 'role', ''])]: draw.pick(odd) };
  const name = draw.pick(names);
  const { [name]: field, ...rest } = value as Record<string, unknown>;
  return draw.once(4) ? rest : { ...rest, [name]: spoilt(field, draw) };
}
