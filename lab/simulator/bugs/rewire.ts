import type { Database, QueryResult, Reply, Request, SqlValue, Transaction, Transport } from '#kit/runtime';
import type { Hooks } from '../hooks.ts';

/** What a planted bug makes of a statement: another one, or an answer without asking the database. */
export type Rewrite = (
  text: string,
  values: readonly SqlValue[],
) => { readonly text: string; readonly values: readonly SqlValue[] } | { readonly answer: QueryResult } | undefined;

/** A database whose statements are not always what the service wrote. Undefined leaves a statement alone. */
export function rewriteSql(database: Database, rewrite: Rewrite): Database {
  function query<R extends object>(
    on: Pick<Database, 'query'>,
    text: string,
    values: readonly SqlValue[] = [],
  ): Promise<QueryResult<R>> {
    const other = rewrite(text, values);
    if (!other) return on.query<R>(text, values);
    if ('answer' in other) return Promise.resolve(other.answer as unknown as QueryResult<R>);
    return on.query<R>(other.text, other.values);
  }
  return {
    ...database,
    query: (text, values) => query(database, text, values),
    transaction: (work, options) =>
      database.transaction((tx) => {
        const rewritten: Transaction = { ...tx, query: (text, values) => query(tx, text, values) };
        return work(rewritten);
      }, options),
  };
}

/** Plants something in the database of one service, or of the gateway. */
export const inDatabaseOf = (service: string, plant: (database: Database) => Database): Hooks => ({
  database: (database, owner) => (owner === service ? plant(database) : database),
});

/** Rewrites statements of one service. */
export const inStatementsOf = (service: string, rewrite: Rewrite): Hooks =>
  inDatabaseOf(service, (database) => rewriteSql(database, rewrite));

/** Rewrites statements that match; the text must really change, or the bug would be none. */
export function replaceInSql(match: RegExp, change: (text: string) => string): Rewrite {
  const changed = new Map<string, string>();
  return (text, values) => {
    if (!match.test(text)) return undefined;
    let other = changed.get(text);
    if (other === undefined) {
      other = change(text);
      if (other === text) throw new Error(`planted bug: nothing to change in ${text}`);
      changed.set(text, other);
    }
    return { text: other, values };
  };
}

/** A transport that does something else with some requests. */
export function rewireCalls(
  transport: Transport,
  change: (request: Request, send: Transport['send'], signal: AbortSignal) => Promise<Reply> | undefined,
): Transport {
  return { send: (request, signal) => change(request, transport.send, signal) ?? transport.send(request, signal) };
}

export const isCall = (request: Request, service: string, operation: string): boolean =>
  request.service === service && request.operation === operation;

interface Postponing {
  /** How many rows a statement is said to have changed. Default: none. */
  readonly countOf?: (values: readonly SqlValue[]) => number;
  /** Whether whoever asked for the transaction hears of one that fails. Default: no. */
  readonly tellsFailures?: boolean;
}

/** Statements of a transaction that match are sent when it has been committed, if nothing comes between. */
export function afterwards(
  database: Database,
  match: RegExp,
  { countOf = () => 0, tellsFailures = false }: Postponing = {},
): Database {
  return {
    ...database,
    async transaction(work, options) {
      let later: (() => Promise<unknown>)[] = [];
      const result = await database.transaction((tx) => {
        later = [];
        return work({
          ...tx,
          query(text, values = []) {
            if (!match.test(text)) return tx.query(text, values);
            later.push(() => database.query(text, values));
            return Promise.resolve({ rows: [], count: countOf(values) });
          },
        });
      }, options);
      for (const send of later) await (tellsFailures ? send() : send().catch(() => {}));
      return result;
    },
  };
}
