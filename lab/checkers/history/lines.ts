import Type, { type Static } from 'typebox';
import { forbiddenBy, type IsolationLevel } from '../elle/index.ts';
import { sectionNames } from './sections.ts';

/** The lines of a recorded history: README.md of lab/checkers describes them with an example. */

export const historyVersion = 1;

const Id = Type.String({ minLength: 1 });
const Hlc = Type.Optional(Type.String({ pattern: '^[0-9a-f]{12}-[0-9a-f]{4}$' }));
const AtMs = Type.Number({ minimum: 0 });
const closed = <P extends Type.TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });
const Section = Type.Unsafe<(typeof sectionNames)[number]>(Type.Union(sectionNames.map((name) => Type.Literal(name))));
const levels = Object.keys(forbiddenBy) as IsolationLevel[];

export const lineSchemas = {
  history: closed({
    type: Type.Literal('history'),
    version: Type.Literal(historyVersion),
    source: Type.Optional(Type.String()),
    isolation: Type.Optional(Type.Unsafe<IsolationLevel>(Type.Union(levels.map((level) => Type.Literal(level))))),
  }),
  invoke: closed({
    type: Type.Literal('invoke'),
    id: Id,
    process: Id,
    session: Type.Optional(Id),
    kind: Id,
    key: Type.Optional(Type.String()),
    idempotencyKey: Type.Optional(Id),
    value: Type.Optional(Type.Unknown()),
    atMs: AtMs,
  }),
  ok: closed({
    type: Type.Literal('ok'),
    id: Id,
    atMs: AtMs,
    status: Type.Optional(Type.Integer()),
    value: Type.Optional(Type.Unknown()),
    version: Type.Optional(Type.Integer({ minimum: 0 })),
    hlc: Hlc,
  }),
  fail: closed({
    type: Type.Literal('fail'),
    id: Id,
    atMs: AtMs,
    status: Type.Optional(Type.Integer()),
    problem: Type.Optional(Type.String()),
  }),
  info: closed({ type: Type.Literal('info'), id: Id, atMs: AtMs, problem: Type.Optional(Type.String()) }),
  section: closed({ type: Type.Literal('section'), of: Section, rows: Type.Integer({ minimum: 0 }) }),
  row: closed({ type: Type.Literal('row'), of: Section, row: Type.Unknown() }),
} as const;

export type LineType = keyof typeof lineSchemas;
export type Line<T extends LineType = LineType> = { [K in T]: Static<(typeof lineSchemas)[K]> }[T];
