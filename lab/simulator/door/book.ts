import { hash } from 'node:crypto';
import type { Database, SqlValue } from '#kit/runtime';
import type { Incarnation } from '../node.ts';

/** Who stands at the door, as the shoppers' side knows it: what the door makes of their tokens is what is looked at. */
export type Standing = 'anonymous' | 'customer' | 'staff' | 'admin';

/** One request as it came to a process of the gateway. */
export interface Visit {
  readonly correlationId: string;
  /** `orders.cancel`. */
  readonly operation: string;
  readonly isChange: boolean;
  readonly as: Standing;
  /** The life of the process that it came to. */
  readonly at: string;
  /** Undefined: that process died before it had an answer. */
  status: number | undefined;
  answeredAtMs: number | undefined;
}

/** One call of a gateway's own database. */
export interface BookCall {
  readonly at: string;
  readonly what: 'audit' | 'key' | 'other';
  /** The key that was looked up (`hashOfKey`). */
  readonly of: string | undefined;
  readonly startMs: number;
  /** Undefined: nobody ever heard of its end. */
  endMs: number | undefined;
  isDone: boolean;
}

/** What the doors were asked and what they answered, in true time, whatever they wrote down of it. */
export interface DoorBook {
  readonly visits: Visit[];
  /** When each process of the gateway ended, by its life. */
  readonly ended: Map<string, number>;
  readonly calls: BookCall[];
}

export const createDoorBook = (): DoorBook => ({ visits: [], ended: new Map(), calls: [] });

export const lifeOf = ({ node, number }: Pick<Incarnation, 'number'> & { node: { name: string } }): string =>
  `${node.name} (${number})`;

/** As the gateway keeps a key. */
export const hashOfKey = (key: string): string => hash('sha256', key);

function subjectOf(sql: string, [first]: readonly SqlValue[] = []): Pick<BookCall, 'what' | 'of'> {
  if (sql.includes('insert into audit_entry')) return { what: 'audit', of: undefined };
  if (!sql.includes('from api_key where hash')) return { what: 'other', of: undefined };
  return { what: 'key', of: Buffer.from(first as Uint8Array).toString('hex') };
}

/** The same database, and the book knows of what did not work. */
export function noteCalls(database: Database, at: string, book: DoorBook, nowMs: () => number): Database {
  return {
    ...database,
    async query(text, values) {
      const call: BookCall = { ...subjectOf(text, values), at, startMs: nowMs(), endMs: undefined, isDone: false };
      book.calls.push(call);
      try {
        const result = await database.query<never>(text, values);
        call.isDone = true;
        return result;
      } finally {
        call.endMs = nowMs();
      }
    },
  };
}
