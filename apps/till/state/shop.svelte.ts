import { isApiProblem } from '#api';
import type { PricingRules } from '#contracts/carts';
import type { CatalogueItem, Till } from '#contracts/tills';
import { passedMs } from '../model/limits.ts';
import { type Told, tellAll } from '../model/queue.ts';
import { api, proveWith } from '../till.ts';
import { type Device, type Kept, openDatabase, readValue, type TillDatabase, writeValue } from './database.ts';
import { journalOf, questions, setSeen, strandedTills, takeShare, untoldEntries } from './journal.ts';

/**
 * The device and its shop: who it is, what it may sell, what it has not told. Everything here is on the device first; the
 * shop is asked and told in one loop, a step after the other, so what it answers is never older than what is known here.
 */

/** How often the shop is asked when there is nothing to tell. */
const askPeriodMs = 30_000;
/** Between attempts while it does not answer: doubled each time, with chance, up to the period above. */
const retryMsMin = 2_000;
const cataloguePeriodMs = 600_000;

let database: TillDatabase;
let device = $state.raw<Device>();
let isOnline = $state(false);
let isTelling = $state(false);
let lacks = $state<'stock' | 'goods'>();
let untold = $state.raw<readonly Kept[]>([]);
let unseen = $state.raw<readonly Kept[]>([]);
let stranded = $state.raw<readonly string[]>([]);
let share = $state.raw<ReadonlyMap<string, number>>(new Map());
let catalogue = $state.raw<ReadonlyMap<string, CatalogueItem>>(new Map());
let byGtin = new Map<string, CatalogueItem>();
/** 0: not since this page was opened. */
let catalogueAtMs = $state(0);
let skusAsked = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;
let failures = 0;
let isWanted = false;
/** The monotonic clock when `aloneMs` of the device was reckoned; at the start, when it was read. */
let reckonedAtMs = performance.now();
let afterTelling: () => Promise<void> = async () => {};

export const shop = {
  get database(): TillDatabase {
    return database;
  },
  get device(): Device | undefined {
    return device;
  },
  get till(): Till {
    return (device as Device).till;
  },
  get rules(): PricingRules | undefined {
    return device?.rules;
  },
  /** Whether the shop answered when it was last asked. */
  get isOnline(): boolean {
    return isOnline;
  },
  get isTelling(): boolean {
    return isTelling;
  },
  /** What the shop could not tell while it answered: how much this till has, or what it is and what it costs. */
  get lacks(): 'stock' | 'goods' | undefined {
    return lacks;
  },
  /** What happened here and has not been told, oldest first. */
  get untold(): readonly Kept[] {
    return untold;
  },
  /** What contradicts something, and nobody has looked at. */
  get unseen(): readonly Kept[] {
    return unseen;
  },
  /** Other tills that this device was, and that have something to tell. */
  get stranded(): readonly string[] {
    return stranded;
  },
  get catalogue(): ReadonlyMap<string, CatalogueItem> {
    return catalogue;
  },
  /** The device has just been enrolled, or was emptied: what it sells is on its way. */
  get awaitsGoods(): boolean {
    return catalogue.size === 0 && catalogueAtMs === 0;
  },
  onHand: (sku: string): number => share.get(sku) ?? 0,
  itemOf: (sku: string, gtin?: string): CatalogueItem | undefined =>
    catalogue.get(sku) ?? (gtin === undefined ? undefined : byGtin.get(gtin)),
  taxClassOf: (sku: string): string | undefined => device?.rules?.taxClasses.find((row) => row.sku === sku)?.taxClass,
  /** How long the shop has not been reached. */
  aloneMs: (): number =>
    device ? device.aloneMs + passedMs(Date.now(), device.reckonedMs, performance.now() - reckonedAtMs) : 0,
};

/** Reads what the device knows. `whenTold`: done each time when the shop has been told everything. */
export async function loadShop(whenTold: () => Promise<void>): Promise<void> {
  afterTelling = whenTold;
  database = await openDatabase();
  // Asked once: without it a browser that is short of space may throw everything away, sales included.
  void navigator.storage?.persist?.();
  device = await readValue(database, 'device');
  proveWith(device?.key);
  if (!device) return;
  await Promise.all([reload(), readCatalogue()]);
  void tellAndAsk();
}

/**
 * Enrols this device by the code that staff have read out or shown. `load` reads what is sold and in which drawer: before the
 * till shows, since that may be another one than before.
 */
export async function enrol(code: string, name: string, load: () => Promise<void>): Promise<void> {
  const { body } = await api.tills.enrol({ body: { code, device: name } });
  proveWith(body.key);
  // Another till has another drawer.
  if (device && device.till.id !== body.till.id) await writeValue(database, 'session', undefined);
  await load();
  const now = Date.now();
  const { till, key } = body;
  await keep({ till, key, lastOnlineMs: now, aloneMs: 0, reckonedMs: now, lastSeq: 0 });
  catalogueAtMs = 0;
  // Before anything is written here: another device of this till may have used numbers.
  await ask().finally(() => void tellAndAsk());
}

async function keep(next: Device): Promise<void> {
  device = next;
  await writeValue(database, 'device', next);
}

/** Shows what is on the device now. Called after every write of the journal. */
export async function reload(): Promise<void> {
  if (!device) return;
  const { id } = device.till;
  const rows = await database.getAll('share');
  share = new Map(rows.map(({ sku, onHand }) => [sku, onHand]));
  untold = await untoldEntries(database, id);
  unseen = await questions(database, id);
  stranded = await strandedTills(database, id);
}

export async function markSeen(kept: Kept): Promise<void> {
  await setSeen(database, kept);
  await reload();
}

async function readCatalogue(): Promise<void> {
  const items = await database.getAll('catalogue');
  catalogue = new Map(items.map((item) => [item.sku, item]));
  byGtin = new Map(items.flatMap((item) => (item.gtin === undefined ? [] : [[item.gtin, item]])));
}

/** Tells and asks now, and again when it is time. One at a time: a wish during one is met by another right after it. */
export async function tellAndAsk(): Promise<void> {
  isWanted = true;
  if (isTelling || !device || device.isRefused) return;
  isTelling = true;
  clearTimeout(timer);
  try {
    while (isWanted) {
      isWanted = false;
      const count = await tellAll(journalOf(database, device.till.id), tell);
      if (count > 0) await reached();
      await ask();
      failures = lacks ? failures + 1 : 0;
    }
  } catch (error) {
    isOnline = false;
    failures += 1;
    const aloneMs = shop.aloneMs();
    reckonedAtMs = performance.now();
    await keep({ ...device, aloneMs, reckonedMs: Date.now() });
    if (isApiProblem(error, 'tills/device-refused')) await keep({ ...device, isRefused: true });
    else if (!isApiProblem(error)) throw error;
  } finally {
    isTelling = false;
    await reload();
    if (isOnline) await afterTelling();
    clearTimeout(timer);
    // A connection may have come back while the attempt that failed was under way.
    if (isWanted) void tellAndAsk();
    else timer = setTimeout(() => void tellAndAsk(), waitMs());
  }
}

function waitMs(): number {
  if (failures === 0) return askPeriodMs;
  return Math.min(askPeriodMs, retryMsMin * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
}

async function tell(entries: Parameters<Parameters<typeof tellAll>[1]>[0]): Promise<Told> {
  try {
    const { body } = await api.tills.record({ body: { entries: [...entries] } });
    return { kind: 'taken', conflicts: body.conflicts };
  } catch (error) {
    if (!isApiProblem(error) || error.mayRepeat || error.status === 401) throw error;
    // Named by its number: another device has used it. Else the shop can't take the entry at all.
    if (error.code !== 'tills/entry-differs' || error.data['seq'] === undefined) {
      return { kind: 'refused', why: error.message };
    }
    const { body } = await api.tills.pack();
    return { kind: 'number-taken', lastSeq: body.lastSeq };
  }
}

async function reached(): Promise<void> {
  isOnline = true;
  const now = Date.now();
  reckonedAtMs = performance.now();
  await keep({ ...(device as Device), lastOnlineMs: now, aloneMs: 0, reckonedMs: now });
}

/**
 * The share, the rules, and now and then the catalogue. After telling, so that the shop knows what was sold. What it can't
 * tell just now stays as it is known here: the till is no less online, and charges cards.
 */
async function ask(): Promise<void> {
  const { body } = await api.tills.pack();
  const { till, lastSeq, rules, share: told } = body;
  if (told) await takeShare(database, till.id, told);
  const { isRefused, ...rest } = device as Device;
  await keep({ ...rest, till, lastSeq, rules });
  // How many there are is known before what they are: goods that show can be sold.
  await reload();
  await reached();
  lacks = told ? undefined : 'stock';
  if (!told) return;
  const isNews = told.some(({ sku }) => !skusAsked.has(sku));
  if (!isNews && Date.now() - catalogueAtMs < cataloguePeriodMs) return;
  try {
    await takeCatalogue();
    skusAsked = new Set(told.map(({ sku }) => sku));
    catalogueAtMs = Date.now();
  } catch (error) {
    if (!isApiProblem(error) || !error.mayRepeat || error.code === 'client/offline') throw error;
    lacks = 'goods';
  }
}

async function takeCatalogue(): Promise<void> {
  const items: CatalogueItem[] = [];
  let cursor: string | undefined;
  do {
    const { body } = await api.tills.catalogue({ query: cursor === undefined ? {} : { cursor } });
    items.push(...body.items);
    cursor = body.nextCursor;
  } while (cursor !== undefined);
  const tx = database.transaction('catalogue', 'readwrite');
  await tx.store.clear();
  await Promise.all(items.map((item) => tx.store.put(item)));
  await tx.done;
  await readCatalogue();
}

addEventListener('online', () => void tellAndAsk());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') void tellAndAsk();
});
