import { protocol } from '@electric-sql/pglite';
import pg from 'pg';
// @ts-expect-error: the driver's own conversion of values, which has no types
import utils from 'pg/lib/utils.js';
import type { QueryResult, SqlValue } from '#kit/runtime';
import { valueTypes } from '../../../kit/store/values.ts';
import { inside, type Surroundings } from './virtualise.ts';

const { serialize } = protocol;
const prepareValue: (value: unknown) => string | null = utils.prepareValue;

/** What the session needs of a PGlite instance. */
export interface Engine {
  execProtocolRawSync(message: Uint8Array): Uint8Array;
}

export interface SessionAnswer extends QueryResult {
  /** `COMMIT`, `INSERT 0 1` …: what the server says it did. */
  readonly tag: string;
  /** NOTIFY messages that came with the answer. */
  readonly notifications: readonly { readonly channel: string; readonly payload: string }[];
}

/**
 * One session of a PGlite instance, spoken to in PostgreSQL's wire protocol without a promise between: one WASM call a
 * statement, four to five times the rate of the asynchronous interface. Values go in and come out by the very code of
 * kit/store's driver, so that a service sees here what it sees in production.
 */
export interface Session {
  run(text: string, values: readonly SqlValue[]): SessionAnswer;
  /** Several statements in one text, without values: migrations, BEGIN, COMMIT. */
  exec(text: string): SessionAnswer;
  /** Parses a statement ahead of its first use. */
  prepare(text: string): void;
  /** Everything prepared so far, by text. */
  readonly statements: ReadonlyMap<string, Statement>;
  readonly callCount: number;
}

/** A statement as the server knows it. */
export interface Statement {
  readonly name: string;
  readonly columns: readonly Column[];
}

interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** `known` are statements that the server, restored from a snapshot, has prepared already. */
export function createSession(
  engine: Engine,
  surroundings: Surroundings,
  known: ReadonlyMap<string, Statement> = new Map(),
): Session {
  const statements = new Map(known);
  let callCount = 0;

  function call(parts: readonly Uint8Array[]): Answer {
    callCount += 1;
    return parseAnswer(inside(surroundings, () => engine.execProtocolRawSync(join(parts))));
  }

  function prepare(text: string): Statement {
    let statement = statements.get(text);
    if (statement) return statement;
    const name = `s${statements.size}`;
    const answer = call([serialize.parse({ name, text }), serialize.describe({ type: 'S', name }), serialize.sync()]);
    if (answer.error) throw answer.error;
    statement = { name, columns: answer.columns };
    statements.set(text, statement);
    return statement;
  }

  return {
    statements,
    prepare,
    get callCount() {
      return callCount;
    },
    run(text, values) {
      const { name, columns } = prepare(text);
      const answer = call([
        serialize.bind({ statement: name, values: values.map((value) => prepareValue(value)) }),
        serialize.execute({}),
        serialize.sync(),
      ]);
      if (answer.error) throw answer.error;
      return resultOf(answer, columns);
    },
    exec(text) {
      const answer = call([serialize.query(text)]);
      if (answer.error) throw answer.error;
      return resultOf(answer, answer.columns);
    },
  };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const message = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    message.set(part, offset);
    offset += part.length;
  }
  return message;
}

interface Answer {
  rows: (string | null)[][];
  columns: Column[];
  tag: string;
  error: Error | undefined;
  notifications: { channel: string; payload: string }[];
}

const decoder = new TextDecoder();

/** Letters of the messages that matter here; everything else (notices, parameters) is passed over. */
const letter = { row: 68, columns: 84, error: 69, complete: 67, notification: 65 };

function parseAnswer(bytes: Uint8Array): Answer {
  const answer: Answer = { rows: [], columns: [], tag: '', error: undefined, notifications: [] };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  while (offset + 5 <= bytes.length) {
    const kind = bytes[offset];
    const start = offset + 5;
    const end = offset + 1 + view.getUint32(offset + 1);
    if (kind === letter.row) answer.rows.push(rowOf(bytes, view, start));
    else if (kind === letter.columns) {
      answer.columns = columnsOf(bytes, view, start);
      answer.rows = [];
    } else if (kind === letter.error) answer.error ??= errorOf(bytes, start, end);
    else if (kind === letter.complete) answer.tag = decoder.decode(bytes.subarray(start, end - 1));
    else if (kind === letter.notification) answer.notifications.push(notificationOf(bytes, start + 4));
    offset = end;
  }
  return answer;
}

function rowOf(bytes: Uint8Array, view: DataView, start: number): (string | null)[] {
  const count = view.getUint16(start);
  const row = new Array<string | null>(count);
  let offset = start + 2;
  for (let i = 0; i < count; i++) {
    const length = view.getInt32(offset);
    offset += 4;
    if (length < 0) row[i] = null;
    else {
      row[i] = decoder.decode(bytes.subarray(offset, offset + length));
      offset += length;
    }
  }
  return row;
}

function columnsOf(bytes: Uint8Array, view: DataView, start: number): Column[] {
  const columns: Column[] = [];
  let offset = start + 2;
  for (let i = view.getUint16(start); i > 0; i--) {
    const [name, end] = textAt(bytes, offset);
    const oid = view.getUint32(end + 6);
    columns.push({ name, parse: valueTypes.getTypeParser(oid, 'text') as Column['parse'] });
    offset = end + 18;
  }
  return columns;
}

/** A text that ends with a zero byte, and where the next thing begins. */
function textAt(bytes: Uint8Array, start: number): [string, number] {
  let end = start;
  while (bytes[end] !== 0) end++;
  return [decoder.decode(bytes.subarray(start, end)), end + 1];
}

function notificationOf(bytes: Uint8Array, start: number): { channel: string; payload: string } {
  const [channel, next] = textAt(bytes, start);
  return { channel, payload: textAt(bytes, next)[0] };
}

/** Names of the fields of an ErrorResponse that `pg` gives to its errors. */
const errorFields: Readonly<Record<string, string>> = {
  C: 'code',
  D: 'detail',
  H: 'hint',
  t: 'table',
  c: 'column',
  n: 'constraint',
};

function errorOf(bytes: Uint8Array, start: number, end: number): Error {
  let message = '';
  const fields: Record<string, string> = {};
  let offset = start;
  while (offset < end && bytes[offset] !== 0) {
    const kind = String.fromCharCode(bytes[offset] as number);
    const [text, next] = textAt(bytes, offset + 1);
    if (kind === 'M') message = text;
    else if (errorFields[kind]) fields[errorFields[kind]] = text;
    offset = next;
  }
  return Object.assign(new pg.DatabaseError(message, end - start, 'error'), fields);
}

function resultOf(answer: Answer, columns: readonly Column[]): SessionAnswer {
  const rows = answer.rows.map((values) => {
    const row: Record<string, unknown> = {};
    columns.forEach(({ name, parse }, i) => {
      const text = values[i] as string | null;
      row[name] = text === null ? null : parse(text);
    });
    return row;
  });
  const count = Number(/ (\d+)$/.exec(answer.tag)?.[1] ?? 0);
  return { rows, count, tag: answer.tag, notifications: answer.notifications };
}
