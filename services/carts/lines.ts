/**
 * What is in a cart, as an observed-remove map with counters: replicas may edit it apart and merge later, and no merge
 * loses an item that somebody added.
 *
 * Every addition is a dot: who made it, their how-manieth it was, and how many units. A removal takes away the dots that
 * it has seen and no others, so an addition that it has not seen stays. `seen` is the causal context: of each replica the
 * last dot that has ever been here. A dot which one side has and the other has seen but no longer has was removed there.
 *
 * Shapiro, Preguiça, Baquero, Zawirski: "A comprehensive study of Convergent and Commutative Replicated Data Types", INRIA
 * RR-7506 (2011), OR-Set and PN-Counter. Merge without tombstones: Almeida, Shoker, Baquero: "Delta state replicated data
 * types", JPDC 111 (2018), §7, DotFun and DotMap. That a cart must not bring removed items back, and must not lose added
 * ones: DeCandia et al., "Dynamo", SOSP 2007, §4.4.
 */
export interface LineMap {
  /** Replica → its last dot that was seen. Each replica counts 1, 2, 3 … and hands on all it has, so one number will do. */
  readonly seen: Seen;
  readonly dots: Readonly<Record<string, readonly Dot[]>>;
}

export type Seen = Readonly<Record<string, number>>;
/** Who, their how-manieth, and the units. */
export type Dot = readonly [replica: string, count: number, quantity: number];

/** Which dots the maker of an edit had seen. */
export type Sees = (dot: Dot) => boolean;
const all: Sees = () => true;
export const seeing =
  (seen: Seen): Sees =>
  (dot) =>
    isSeen(dot, seen);

export const noLines: LineMap = { seen: {}, dots: {} };

/** Additions of one SKU that are kept apart. One more sums up those that its maker sees. */
export const dotsMax = 16;

/** So many units more. */
export function addUnits(lines: LineMap, replica: string, sku: string, quantity: number): LineMap {
  const known = dotsOf(lines, sku);
  if (known.length >= dotsMax) return setUnits(lines, replica, sku, unitsIn(known) + quantity);
  return withDot(lines, replica, sku, known, quantity);
}

/** So many units in place of those seen; what was added unseen comes on top. */
export function setUnits(lines: LineMap, replica: string, sku: string, quantity: number, sees: Sees = all): LineMap {
  const unseen = dotsOf(lines, sku).filter((dot) => !sees(dot));
  return withDot(lines, replica, sku, unseen, quantity);
}

/** Takes away what was seen of a SKU. */
export function removeLine(lines: LineMap, sku: string, sees: Sees = all): LineMap {
  const unseen = dotsOf(lines, sku).filter((dot) => !sees(dot));
  return { seen: lines.seen, dots: withSku(lines.dots, sku, unseen) };
}

/** Takes away all that was seen: it has been ordered. */
export function removeSeen(lines: LineMap, seen: Seen): LineMap {
  return Object.keys(lines.dots).reduce((left, sku) => removeLine(left, sku, seeing(seen)), lines);
}

/** Whether some of what is in it was there already when that was seen. */
export function hasSeen({ dots }: LineMap, seen: Seen): boolean {
  return Object.values(dots).some((own) => own.some(seeing(seen)));
}

/** What both sides know. Commutative, associative, idempotent. */
export function merge(left: LineMap, right: LineMap): LineMap {
  const skus = [...new Set([...Object.keys(left.dots), ...Object.keys(right.dots)])];
  const kept = skus.map(
    (sku) => [sku, mergeDots(dotsOf(left, sku), dotsOf(right, sku), left.seen, right.seen)] as const,
  );
  return { seen: latest(left.seen, right.seen), dots: Object.fromEntries(kept.filter(([, dots]) => dots.length > 0)) };
}

/** A dot stays when both have it, or when the side that lacks it has never seen it. */
function mergeDots(left: readonly Dot[], right: readonly Dot[], leftSeen: Seen, rightSeen: Seen): Dot[] {
  const onlyIn = (mine: readonly Dot[], theirs: readonly Dot[], seen: Seen) =>
    mine.filter((dot) => !isSeen(dot, seen) && !has(theirs, dot));
  const both = left.filter((dot) => has(right, dot));
  return [...both, ...onlyIn(left, right, rightSeen), ...onlyIn(right, left, leftSeen)].sort(byName);
}

/**
 * Replicas that a map remembers. Each guest's cart that joins is one, and a customer may come as a guest for years; what has
 * been seen goes back and forth with every edit, so it has to stay small.
 */
export const replicasMax = 64;

/**
 * Forgets the oldest replicas that no dot is left of; names are ordered by age. Who would join one of those a second time
 * would bring in again what it brought then. `self` goes on counting, so it is never forgotten.
 */
export function forgetOldest({ seen, dots }: LineMap, self: string): LineMap {
  const inUse = new Set([self, ...Object.values(dots).flatMap((own) => own.map(([replica]) => replica))]);
  const unused = Object.keys(seen)
    .filter((replica) => !inUse.has(replica))
    .sort();
  const forgotten = new Set(unused.slice(0, Math.max(0, Object.keys(seen).length - replicasMax)));
  if (forgotten.size === 0) return { seen, dots };
  return { seen: Object.fromEntries(Object.entries(seen).filter(([replica]) => !forgotten.has(replica))), dots };
}

/** Units by SKU, in the order of the SKUs. */
export function unitsOf(lines: LineMap): { readonly sku: string; readonly quantity: number }[] {
  const skus = Object.keys(lines.dots).sort();
  return skus.map((sku) => ({ sku, quantity: unitsIn(dotsOf(lines, sku)) }));
}

/** A SKU may bear a name that every object has: `constructor`. */
const dotsOf = ({ dots }: LineMap, sku: string): readonly Dot[] => (Object.hasOwn(dots, sku) ? (dots[sku] ?? []) : []);
const unitsIn = (dots: readonly Dot[]): number => dots.reduce((sum, [, , quantity]) => sum + quantity, 0);
const isSeen = ([replica, count]: Dot, seen: Seen): boolean => count <= (seen[replica] ?? 0);
const isSame = (a: Dot, b: Dot): boolean => a[0] === b[0] && a[1] === b[1];
const has = (dots: readonly Dot[], dot: Dot): boolean => dots.some((one) => isSame(one, dot));
const byName = (a: Dot, b: Dot): number => (a[0] === b[0] ? a[1] - b[1] : a[0] < b[0] ? -1 : 1);

function withDot(lines: LineMap, replica: string, sku: string, kept: readonly Dot[], quantity: number): LineMap {
  const count = (lines.seen[replica] ?? 0) + 1;
  const dots = [...kept, [replica, count, quantity] as const].sort(byName);
  return { seen: { ...lines.seen, [replica]: count }, dots: withSku(lines.dots, sku, dots) };
}

function withSku(dots: LineMap['dots'], sku: string, own: readonly Dot[]): LineMap['dots'] {
  const others = Object.entries(dots).filter(([name]) => name !== sku);
  return Object.fromEntries(own.length === 0 ? others : [...others, [sku, own]]);
}

function latest(left: Seen, right: Seen): Seen {
  const seen: Record<string, number> = { ...left };
  for (const [replica, count] of Object.entries(right)) seen[replica] = Math.max(seen[replica] ?? 0, count);
  return seen;
}
