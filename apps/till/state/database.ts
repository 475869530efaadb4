import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { PricingRules } from '#contracts/carts';
import type { CatalogueItem, Conflict, JournalEntry, Till } from '#contracts/tills';
import type { Totals } from '#contracts/totals';
import type { CalledOff, Draft } from '../model/basket.ts';

/** What this device is, and knows of its shop. */
export interface Device {
  readonly till: Till;
  readonly key: string;
  /** When the shop was last reached, by this device’s clock: for people. */
  readonly lastOnlineMs: number;
  /** How long it has not been reached, as reckoned when the clock showed `reckonedMs`. */
  readonly aloneMs: number;
  readonly reckonedMs: number;
  /** The last number of this till’s journal that the shop knows: another device may have written it. */
  readonly lastSeq: number;
  readonly rules?: PricingRules;
  /** The shop said that this device is shut out. */
  readonly isRefused?: boolean;
}

/** An open drawer. */
export interface OpenSession {
  readonly sessionId: string;
  readonly cashier: string;
  readonly openedAt: string;
}

/** An entry of the journal with what this device knows of it. */
export interface Kept {
  readonly tillId: string;
  readonly seq: number;
  readonly entry: JournalEntry;
  /** Of a sale. */
  readonly totals: Totals | null;
  readonly sessionId: string;
  /** Of a sale, and of a return the sale that it is of. */
  readonly saleId?: string;
  /** There while the shop has not been told; IndexedDB leaves entries without it out of the index. */
  readonly untold?: 1;
  /** Of a sale paid in cash. */
  readonly givenMinor?: number;
  readonly conflicts?: readonly Conflict[];
  /** There while nobody has said that they have looked at what contradicts something. */
  readonly question?: 1;
  /** Why the shop would not take it. */
  readonly refusedFor?: string;
  /** Its number before another device of this till turned out to have used that. */
  readonly wasSeq?: number;
}

export interface Held {
  readonly id: string;
  readonly at: string;
  readonly name: string;
  readonly draft: Draft;
}

/** A receipt to mail, once its sale has arrived. */
export interface Letter {
  readonly saleId: string;
  readonly email: string;
}

interface Values {
  readonly device: Device;
  readonly session: OpenSession;
  readonly draft: Draft;
  readonly quickKeys: readonly string[];
}

export interface TillSchema extends DBSchema {
  value: { key: keyof Values; value: Values[keyof Values] };
  journal: {
    key: [string, number];
    value: Kept;
    indexes: { untold: [string, 1, number]; question: [string, 1]; session: [string, string]; sale: string };
  };
  share: { key: string; value: { readonly sku: string; readonly onHand: number } };
  catalogue: { key: string; value: CatalogueItem };
  held: { key: string; value: Held };
  letter: { key: [string, string]; value: Letter };
  calledOff: { key: [string, number]; value: CalledOff };
}

export type TillDatabase = IDBPDatabase<TillSchema>;

export function openDatabase(): Promise<TillDatabase> {
  return openDB<TillSchema>('holdfast-till', 2, {
    upgrade(database, from) {
      database.createObjectStore('calledOff', { keyPath: ['saleId', 'card'] });
      if (from >= 1) return;
      database.createObjectStore('value');
      const journal = database.createObjectStore('journal', { keyPath: ['tillId', 'seq'] });
      journal.createIndex('untold', ['tillId', 'untold', 'seq']);
      journal.createIndex('question', ['tillId', 'question']);
      journal.createIndex('session', ['tillId', 'sessionId']);
      journal.createIndex('sale', 'saleId');
      database.createObjectStore('share', { keyPath: 'sku' });
      database.createObjectStore('catalogue', { keyPath: 'sku' });
      database.createObjectStore('held', { keyPath: 'id' });
      database.createObjectStore('letter', { keyPath: ['saleId', 'email'] });
    },
  });
}

export async function readValue<Name extends keyof Values>(
  database: TillDatabase,
  name: Name,
): Promise<Values[Name] | undefined> {
  return (await database.get('value', name)) as Values[Name] | undefined;
}

export async function writeValue<Name extends keyof Values>(
  database: TillDatabase,
  name: Name,
  value: Values[Name] | undefined,
): Promise<void> {
  if (value === undefined) await database.delete('value', name);
  else await database.put('value', value, name);
}
