import type { Logger } from '#kit/runtime';

/** Names of prepared statements: one text has one name, on every connection. */
export interface Statements {
  /** Undefined when the bound is reached: the statement is then sent unprepared, which costs time but no memory. */
  nameOf(text: string): string | undefined;
  /** Gives new names to all texts from now on, because the server no longer honours `name`. */
  renew(name: string | undefined): void;
}

/** A text made from values would grow this table, and the server's memory on each connection, without end. */
const preparedMax = 1_000;

export function createStatements(database: string, log: Logger): Statements {
  const names = new Map<string, string>();
  let generation = 0;
  let warned = false;

  return {
    nameOf(text) {
      let name = names.get(text);
      if (name === undefined && names.size < preparedMax) {
        name = `s${generation}_${names.size}`;
        names.set(text, name);
      } else if (name === undefined && !warned) {
        warned = true;
        log.warn(`over ${preparedMax} different statements, more are not prepared: put values into $1, $2, …`, {
          database,
          text,
        });
      }
      return name;
    },
    renew(name) {
      // Several statements may fail on the same change; one renewal is enough for all.
      if (!name?.startsWith(`s${generation}_`)) return;
      names.clear();
      generation += 1;
    },
  };
}
