import type { TSchema } from 'typebox';

/** The part of JSON Schema 2020-12 that the contracts use. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

/** Schemas that are written by their name wherever they stand. */
export type Names = ReadonlyMap<string, string>;

/** The same content is the same schema: a name is found also where a copy stands. */
export function keyOf(schema: TSchema): string {
  return JSON.stringify(schema);
}

const widthMax = 100;

/** A schema as people read it: close to TypeScript, with bounds and descriptions as comments. */
export function schemaText(schema: TSchema, names: Names, options: { readonly spellOut?: boolean } = {}): string {
  const { text, notes } = render(schema as Schema, names, '', options.spellOut === true);
  return notes ? `${text} // ${notes}` : text;
}

interface Rendered {
  readonly text: string;
  /** What can't be said in the type: bounds and the description. */
  readonly notes: string;
}

function render(schema: Schema, names: Names, indent: string, spellOut = false): Rendered {
  const name = spellOut ? undefined : names.get(JSON.stringify(schema));
  if (name !== undefined) return { text: name, notes: '' };
  const notes = notesOf(schema);
  if (schema.const !== undefined) return { text: literal(schema.const), notes };
  if (schema.enum) return { text: schema.enum.map(literal).join(' | '), notes };
  if (schema.anyOf) return union(schema.anyOf, names, indent, notes);
  switch (schema.type) {
    case 'object':
      return { text: objectText(schema, names, indent), notes };
    case 'array':
      return arrayText(schema, names, indent, notes);
    case 'undefined':
      return { text: 'nothing', notes };
    case undefined:
      return { text: 'any JSON value', notes };
    default:
      return { text: schema.type, notes };
  }
}

function union(members: readonly Schema[], names: Names, indent: string, notes: string): Rendered {
  const parts = members.map((member) => render(member, names, indent));
  const said = parts.flatMap((part) => (part.notes ? [`${part.text}: ${part.notes}`] : []));
  return { text: parts.map((part) => part.text).join(' | '), notes: [notes, ...said].filter(Boolean).join('; ') };
}

function arrayText(schema: Schema, names: Names, indent: string, notes: string): Rendered {
  const items = render(schema.items ?? {}, names, indent);
  const text = items.text.includes(' | ') && !items.text.startsWith('{') ? `(${items.text})[]` : `${items.text}[]`;
  return { text, notes: [notes, items.notes && `each ${items.notes}`].filter(Boolean).join('; ') };
}

function objectText(schema: Schema, names: Names, indent: string): string {
  const inner = `${indent}  `;
  const fields = Object.entries(schema.properties ?? {}).map(([field, value]) => {
    const { text, notes } = render(value, names, inner);
    return { text: `${field}${schema.required?.includes(field) ? '' : '?'}: ${text}`, notes };
  });
  for (const [pattern, value] of Object.entries(schema.patternProperties ?? {})) {
    const { text, notes } = render(value, names, inner);
    const all = [pattern === '^.*$' ? '' : `name ${pattern}`, notes];
    fields.push({ text: `[name]: ${text}`, notes: all.filter(Boolean).join('; ') });
  }
  if (fields.length === 0) return '{}';
  const isPlain = fields.every(({ text, notes }) => !notes && !text.includes('\n'));
  const oneLine = `{ ${fields.map(({ text }) => text).join(', ')} }`;
  if (isPlain && indent.length + oneLine.length <= widthMax) return oneLine;
  const lines = fields.flatMap(({ text, notes }) => fieldLines(text, notes, inner));
  return `{\n${lines.join('\n')}\n${indent}}`;
}

/** A short note stands beside its field, a long one above it. */
function fieldLines(text: string, notes: string, indent: string): string[] {
  const line = `${indent}${text}`;
  if (!notes) return [line];
  if (!text.includes('\n') && line.length + notes.length + 4 <= widthMax + 20) return [`${line} // ${notes}`];
  return [`${indent}// ${notes}`, line];
}

function notesOf(schema: Schema): string {
  const unit = schema.type === 'array' ? ' items' : ' characters';
  return [
    range(schema.minLength, schema.maxLength, unit),
    range(schema.minItems, schema.maxItems, unit),
    range(schema.minProperties, schema.maxProperties, ' fields'),
    range(schema.minimum, schema.maximum, ''),
    schema.pattern ?? '',
    schema.description ?? '',
  ]
    .filter(Boolean)
    .join('; ');
}

function range(least: number | undefined, most: number | undefined, unit: string): string {
  const number = (value: number) => value.toLocaleString('en-US');
  if (least !== undefined && most !== undefined) return `${number(least)} to ${number(most)}${unit}`;
  if (most !== undefined) return `at most ${number(most)}${unit}`;
  return least === undefined ? '' : `at least ${number(least)}${unit}`;
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
