import { idLetters } from '#contracts/ids';
import type { JournalEntry, Till } from '#contracts/tills';
import type { Random, World } from '#kit/runtime';
import { type AskAs, add, twice, type Units } from './errand.ts';
import { type Call, guest, staff } from './people.ts';
import type { Errand, UnitsOfSku } from './plan.ts';
import { pick, type Simulation } from './simulation.ts';

/** What people know for sure of a till. */
export interface TillStory {
  readonly tillId: string;
  readonly stockedUp: Units;
  readonly handedBack: Units;
  /** Refused, which keeps no key: a copy of the request that comes late may be taken all the same. */
  readonly refused: { readonly in: Units; readonly out: Units };
  /** Sales that the till has been told are taken. */
  readonly sales: { readonly saleId: string; readonly lines: readonly UnitsOfSku[] }[];
}

export interface TillErrandOptions {
  readonly simulation: Simulation;
  readonly world: Pick<World, 'clock' | 'timers'>;
  readonly ask: AskAs;
  readonly random: Random;
  readonly book: TillStory[];
  readonly secrets: Set<string>;
}

/** A till is enrolled and stocked, sells without a network, tells its journal later, in pieces, and hands stock back. */
export function createTillErrand({ simulation, world, ask, random, book, secrets }: TillErrandOptions) {
  async function runTill(errand: Extract<Errand, { kind: 'till' }>): Promise<void> {
    const { id, stockUp, offlineMs, handBack } = errand;
    const body = { name: `Till ${id}`, currency: 'EUR', country: 'DE' };
    const made = await ask<{ till: Till; code: string }>(errand, 'till', staff, ({ tills }, context) =>
      tills.create({ key: `till-${id}`, body }, context),
    );
    if (!made) return;
    const tillId = made.till.id;
    const deviceKey = await enrol(errand, tillId, made.code);
    if (deviceKey === undefined) return;
    const refused = { in: new Map(), out: new Map() };
    const story: TillStory = { tillId, stockedUp: new Map(), handedBack: new Map(), refused, sales: [] };
    book.push(story);
    const move = async (direction: 'in' | 'out', lines: readonly UnitsOfSku[], units: Units): Promise<void> => {
      const send: Call['send'] = ({ tills }, context) =>
        tills.restock(
          { key: `${direction}-${id}`, params: { tillId }, body: { direction, lines: [...lines] } },
          context,
        );
      const done = await twice(errand.twins, () => ask(errand, `till.${direction}`, staff, send));
      for (const line of lines) add(done ? units : refused[direction], line);
    };
    await move('in', stockUp, story.stockedUp);
    await world.timers.sleep(offlineMs);
    await tellJournal(errand, deviceKey, story);
    if (handBack) await move('out', [handBack], story.handedBack);
  }

  /** A code works once: who lost the answer to its use needs another one. */
  async function enrol(errand: Errand, tillId: string, first: string): Promise<string | undefined> {
    let code: string | undefined = first;
    while (code !== undefined) {
      const body = { code, device: 'lab' };
      const enrolled = await ask<{ key: string }>(errand, 'till.enrol', guest, ({ tills }, context) =>
        tills.enrol({ body }, context),
      );
      if (enrolled) {
        secrets.add(enrolled.key);
        return enrolled.key;
      }
      const next = await ask<{ code: string }>(errand, 'till.code', staff, ({ tills }, context) =>
        tills.newCode({ params: { tillId } }, context),
      );
      code = next?.code;
    }
    return undefined;
  }

  /** Back online: pieces of the journal go out at once, in any order, some of them twice. */
  async function tellJournal(
    errand: Extract<Errand, { kind: 'till' }>,
    deviceKey: string,
    story: TillStory,
  ): Promise<void> {
    const sessionId = `tse_${letters(random)}`;
    const at = new Date(world.clock.now()).toISOString();
    const sales = errand.sales.map(({ lines }) => ({ saleId: `sal_${letters(random)}`, lines }));
    const entries: JournalEntry[] = [
      { kind: 'open', seq: 1, sessionId, at, cashier: 'Ada', floatMinor: 0 },
      ...sales.map(({ saleId, lines }, i): JournalEntry => {
        const totalMinor = lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0);
        return {
          ...{ kind: 'sale', seq: i + 2, sessionId, at, saleId, discounts: [], totalMinor, offline: true },
          lines: lines.map(({ sku, quantity, unitPriceMinor }) => ({ sku, name: sku, quantity, unitPriceMinor })),
          tenders: [{ kind: 'cash', amountMinor: totalMinor }],
        };
      }),
      { kind: 'close', seq: sales.length + 2, sessionId, at, countedMinor: 0 },
    ];
    const pieces = inPieces(shuffled(entries, random), errand.piece);
    const headers = { 'till-key': deviceKey };
    const told = await Promise.all(
      pieces.map((piece) => {
        const send: Call['send'] = ({ tills }, context) => tills.record({ headers, body: { entries: piece } }, context);
        return twice(errand.twins, () => ask(errand, 'till.tell', guest, send));
      }),
    );
    if (told.includes(undefined)) {
      simulation.violate('each sale at a till counts once', `${story.tillId}: the journal was refused`);
    }
    story.sales.push(...sales);
  }

  return runTill;
}

const letters = (random: Random): string => Array.from({ length: 26 }, () => pick(random, [...idLetters])).join('');

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const inPieces = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
