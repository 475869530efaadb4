/**
 * Do the books balance? Pure: the file's own sums, what the replay expected and what the shop says go in; a report
 * comes out that names every difference. Nothing is rounded away and nothing is "close enough".
 */
import type { SystemBooks } from './books.ts';
import { countryCode } from './countries.ts';
import { divideHalfEven } from './decimal.ts';
import type { FileSum, FileSums } from './file-sums.ts';
import { type ClassSums, LINE_CLASSES_BOOKED, noSums, type Tally, type UnitSums } from './tally.ts';

/** The report names this many differences; the count is always whole. */
export const MISMATCHES_LISTED_MAX = 200;

export interface ReconcileInput {
  readonly file: FileSums;
  readonly tally: Tally;
  readonly books: SystemBooks;
  /** Operations that the shop refused for good. */
  readonly failures?: readonly { readonly key: string; readonly message: string }[];
}

export type CheckName =
  | 'lines'
  | 'money-by-month'
  | 'money-by-country'
  | 'operations'
  | 'units'
  | 'stock'
  | 'payments'
  | 'failures';

export interface Mismatch {
  readonly check: CheckName;
  /** What differs: a month, a country, a business key, a SKU. */
  readonly subject: string;
  readonly expected: number | string;
  readonly actual: number | string;
}

/** Minor units; one row of the comparison for a month or a country. */
export interface MoneyRow {
  readonly soldMinor: number;
  readonly returnedMinor: number;
  readonly feesMinor: number;
  readonly rejectedMinor: number;
  /** The file's own sum, each line rounded to minor units. */
  readonly expectedMinor: number;
  /** What the shop booked, plus the rejected lines that name an amount. */
  readonly actualMinor: number;
  readonly differenceMinor: number;
  /** What rounding each line moved against the unrounded sum, in minor units (rounded to the nearest). */
  readonly roundingMinor: number;
}

export interface ReplayReport {
  readonly ok: boolean;
  readonly lines: ClassSums & { readonly read: number };
  readonly rejects: Readonly<Record<string, number>>;
  readonly money: {
    readonly expectedMinor: number;
    readonly actualMinor: number;
    readonly differenceMinor: number;
    readonly byMonth: Readonly<Record<string, MoneyRow>>;
    readonly byCountry: Readonly<Record<string, MoneyRow>>;
  };
  readonly units: UnitSums & {
    /** Whole history of the SKUs that this replay moved, over all holders. */
    readonly stock: {
      readonly received: number;
      readonly onHand: number;
      readonly held: number;
      readonly sold: number;
      readonly returned: number;
      readonly adjusted: number;
    };
    readonly skus: number;
    readonly conserved: boolean;
  };
  readonly payments: {
    readonly ordersMinor: number;
    readonly capturedMinor: number;
    readonly returnsMinor: number;
    readonly refundedMinor: number;
    readonly balanced: boolean;
  };
  readonly operations: Readonly<
    Record<'orders' | 'returns' | 'refunds' | 'adjustments' | 'entries' | 'receipts', number>
  >;
  readonly credits: Tally['credits'];
  readonly mismatchCount: number;
  readonly mismatches: readonly Mismatch[];
}

type Note = (check: CheckName, subject: string, expected: number | string, actual: number | string) => void;

export function reconcile({ file, tally, books, failures = [] }: ReconcileInput): ReplayReport {
  const mismatches: Mismatch[] = [];
  let mismatchCount = 0;
  const checksFailed = new Set<CheckName>();
  const note: Note = (check, subject, expected, actual) => {
    mismatchCount += 1;
    checksFailed.add(check);
    if (mismatches.length < MISMATCHES_LISTED_MAX) mismatches.push({ check, subject, expected, actual });
  };

  checkLines(file, tally, note);
  const byMonth = checkMoney('money-by-month', file.byMonth, tally.moneyByMonth, books.moneyByMonth, note);
  const { sums, names } = byCountryCode(file.byCountry);
  const countries = checkMoney('money-by-country', sums, tally.moneyByCountry, books.moneyByCountry, note);
  const byCountry = Object.fromEntries(Object.entries(countries).map(([code, row]) => [names.get(code) ?? code, row]));
  checkOperations(tally, books, note);
  const units = checkUnits(tally, books, note);
  const stock = checkStock(tally, books, note);
  const payments = checkPayments(tally, books, note);
  for (const { key, message } of failures) note('failures', key, 'done', message);

  const rows = Object.values(byMonth);
  const expectedMinor = sum(rows, (row) => row.expectedMinor);
  const actualMinor = sum(rows, (row) => row.actualMinor);
  return {
    ok: mismatchCount === 0,
    lines: tally.lines,
    rejects: Object.fromEntries(tally.rejectsByReason),
    money: { expectedMinor, actualMinor, differenceMinor: actualMinor - expectedMinor, byMonth, byCountry },
    units: {
      ...units,
      stock,
      skus: tally.units.size,
      conserved: !checksFailed.has('units') && !checksFailed.has('stock'),
    },
    payments: { ...payments, balanced: !checksFailed.has('payments') },
    operations: {
      orders: books.orders.size,
      returns: books.returns.size,
      refunds: books.refunds.size,
      adjustments: books.adjustments.size,
      entries: books.entries.size,
      receipts: books.receipts.size,
    },
    credits: tally.credits,
    mismatchCount,
    mismatches,
  };
}

/** Every line read has exactly one class, and the classifier saw as many lines as the reader counted. */
function checkLines(file: FileSums, { lines }: Tally, note: Note): void {
  const { read, sold, returned, fees, adjusted, rejected } = lines;
  const classed = sold + returned + fees + adjusted + rejected;
  if (classed !== read) note('lines', 'sold + returned + fees + adjusted + rejected', read, classed);
  if (read !== file.lines) note('lines', 'lines read', file.lines, read);
}

function checkMoney(
  check: 'money-by-month' | 'money-by-country',
  file: ReadonlyMap<string, FileSum>,
  expected: ReadonlyMap<string, ClassSums>,
  actual: ReadonlyMap<string, ClassSums>,
  note: Note,
): Record<string, MoneyRow> {
  const rows: Record<string, MoneyRow> = {};
  for (const bucket of [...new Set([...file.keys(), ...expected.keys(), ...actual.keys()])].sort()) {
    const planned = expected.get(bucket) ?? noSums();
    const booked = actual.get(bucket) ?? noSums();
    for (const name of LINE_CLASSES_BOOKED) {
      if (planned[name] !== booked[name]) note(check, `${bucket} ${name}`, planned[name], booked[name]);
    }
    const row = moneyRow(file.get(bucket), planned, booked);
    rows[bucket] = row;
    if (row.differenceMinor !== 0) note(check, `${bucket} total`, row.expectedMinor, row.actualMinor);
  }
  return rows;
}

/** The shop keeps ISO codes; the report speaks the file's language. Names of one code share a row. */
function byCountryCode(file: ReadonlyMap<string, FileSum>): { sums: Map<string, FileSum>; names: Map<string, string> } {
  const sums = new Map<string, FileSum>();
  const names = new Map<string, string>();
  for (const [name, { lines, minor, exact }] of file) {
    const code = countryCode(name);
    const sum = sums.get(code) ?? { lines: 0, minor: 0n, exact: 0n };
    sums.set(code, { lines: sum.lines + lines, minor: sum.minor + minor, exact: sum.exact + exact });
    names.set(code, names.has(code) ? `${names.get(code)} / ${name}` : name);
  }
  return { sums, names };
}

function moneyRow(file: FileSum | undefined, planned: ClassSums, booked: ClassSums): MoneyRow {
  const minor = file?.minor ?? 0n;
  const exact = file?.exact ?? 0n;
  const expectedMinor = Number(minor);
  const actualMinor = booked.sold + booked.returned + booked.fees + planned.rejected;
  return {
    soldMinor: booked.sold,
    returnedMinor: booked.returned,
    feesMinor: booked.fees,
    rejectedMinor: planned.rejected,
    expectedMinor,
    actualMinor,
    differenceMinor: actualMinor - expectedMinor,
    roundingMinor: Number(divideHalfEven(minor * 10n ** 16n - exact, 10n ** 16n)),
  };
}

/** Each operation is there once, with its money; nothing is there that was not asked for. */
function checkOperations(tally: Tally, books: SystemBooks, note: Note): void {
  for (const key of books.repeated) note('operations', key, 'once', 'more than once');
  for (const [key, state] of books.unconfirmed) note('operations', `order ${key}`, 'confirmed', state);
  checkKeys('order', tally.orders, books.orders, note, books.unconfirmed);
  checkKeys('return', tally.returns, books.returns, note);
  checkKeys('refund', tally.refunds, books.refunds, note);
  checkKeys('entries', tally.entries, books.entries, note);
  checkPresent('receipt', tally.receipts, books.receipts, note);
  checkPresent('adjustment', tally.adjustments, books.adjustments, note);
}

function checkKeys(
  what: string,
  expected: ReadonlyMap<string, number>,
  actual: ReadonlyMap<string, number>,
  note: Note,
  explained: ReadonlyMap<string, unknown> = new Map(),
): void {
  for (const [key, minor] of expected) {
    const booked = actual.get(key);
    if (booked !== minor && !explained.has(key)) note('operations', `${what} ${key}`, minor, booked ?? 'absent');
  }
  for (const [key, minor] of actual) if (!expected.has(key)) note('operations', `${what} ${key}`, 'absent', minor);
}

function checkPresent(what: string, expected: ReadonlySet<string>, actual: ReadonlySet<string>, note: Note): void {
  for (const key of expected) if (!actual.has(key)) note('operations', `${what} ${key}`, 'present', 'absent');
  for (const key of actual) if (!expected.has(key)) note('operations', `${what} ${key}`, 'absent', 'present');
}

const UNIT_MOVES = ['received', 'sold', 'returned', 'adjusted'] as const;

/** The shop moved the units that the file moves, SKU by SKU. */
function checkUnits(tally: Tally, books: SystemBooks, note: Note): UnitSums {
  const totals: UnitSums = { received: 0, sold: 0, returned: 0, adjusted: 0 };
  const none: UnitSums = { received: 0, sold: 0, returned: 0, adjusted: 0 };
  for (const sku of new Set([...tally.units.keys(), ...books.units.keys()])) {
    const expected = tally.units.get(sku) ?? none;
    const actual = books.units.get(sku) ?? none;
    for (const move of UNIT_MOVES) {
      totals[move] += actual[move];
      if (expected[move] !== actual[move]) note('units', `${sku} ${move}`, expected[move], actual[move]);
    }
  }
  return totals;
}

/** received + returned + adjusted = on hand + held + sold, nothing negative, and no less than this replay moved. */
function checkStock(tally: Tally, books: SystemBooks, note: Note): ReplayReport['units']['stock'] {
  const totals = { received: 0, onHand: 0, held: 0, sold: 0, returned: 0, adjusted: 0 };
  for (const [sku, moved] of tally.units) {
    const stock = books.stock.get(sku);
    if (stock === undefined) {
      note('stock', sku, 'known', 'unknown');
      continue;
    }
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
      totals[name] += stock[name];
      if (name !== 'adjusted' && stock[name] < 0) note('stock', `${sku} ${name}`, '0 or more', stock[name]);
    }
    const came = stock.received + stock.returned + stock.adjusted;
    const there = stock.onHand + stock.held + stock.sold;
    if (came !== there) note('stock', `${sku} received + returned + adjusted = on hand + held + sold`, came, there);
    for (const move of ['received', 'sold', 'returned'] as const) {
      if (stock[move] < moved[move]) note('stock', `${sku} ${move}`, `${moved[move]} or more`, stock[move]);
    }
  }
  return totals;
}

/** For each order the ledger captured its total once, and refunded what its returns say. */
function checkPayments(tally: Tally, books: SystemBooks, note: Note): Omit<ReplayReport['payments'], 'balanced'> {
  const totals = { ordersMinor: 0, capturedMinor: 0, returnsMinor: 0, refundedMinor: 0 };
  for (const [key, payment] of books.payments) {
    const { orderedMinor, capturedMinor, returnedMinor, refundedMinor } = payment;
    totals.ordersMinor += orderedMinor;
    totals.capturedMinor += capturedMinor;
    totals.returnsMinor += returnedMinor;
    totals.refundedMinor += refundedMinor;
    if (capturedMinor !== orderedMinor) note('payments', `${key} captured`, orderedMinor, capturedMinor);
    if (refundedMinor !== returnedMinor) note('payments', `${key} refunded`, returnedMinor, refundedMinor);
    if (refundedMinor > capturedMinor) note('payments', `${key} refunded`, `at most ${capturedMinor}`, refundedMinor);
    const asked = tally.refundsByOrder.get(key) ?? 0;
    if (refundedMinor < asked) note('payments', `${key} refunded`, `${asked} or more`, refundedMinor);
  }
  for (const key of tally.refundsByOrder.keys()) {
    if (!books.payments.has(key)) note('payments', key, 'an order to refund', 'absent');
  }
  return totals;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
