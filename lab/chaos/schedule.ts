import { type Random, seededRandom } from '#kit/runtime';

/** One fault as it is planned: what, to whom, when, for how long. */
export interface PlannedFault {
  /** Place in the schedule, from 0: also names the random stream of the fault's own choices. */
  readonly index: number;
  readonly fault: string;
  readonly target: string;
  readonly atMs: number;
  readonly durationMs: number;
}

/** What can be drawn: pure data, so that a schedule is a function of it and the seed. */
export interface Drawable {
  readonly name: string;
  readonly class: string;
  readonly targets: readonly string[];
  /** Least and most. */
  readonly durationMs: readonly [number, number];
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly faults: readonly Drawable[];
}

/** Work without faults first, so that there is something to lose. */
const calmMs = 1_500;
/** Short enough that faults overlap, long enough that some are over before the next: else nothing would ever work. */
const gapMs = [1_000, 3_600] as const;
/** Faults of a longer run are still a bounded list. */
const plannedMax = 10_000;

/**
 * What goes wrong in a run. Every kind comes once before any comes again, classes take turns, and faults may overlap.
 */
export function drawSchedule({ seed, forMs, faults }: ScheduleOptions): PlannedFault[] {
  const drawable = faults.filter(({ targets }) => targets.length > 0);
  const random = seededRandom(seed, 'schedule');
  const planned: PlannedFault[] = [];
  let deck: Drawable[] = [];
  let atMs = Math.min(calmMs, forMs / 10);
  while (drawable.length > 0 && planned.length < plannedMax) {
    if (deck.length === 0) deck = shuffleByClass(drawable, random);
    const { name, targets, durationMs } = deck.shift() as Drawable;
    const [least, most] = durationMs;
    const lasts = between(random, least, most);
    const startsAtMs = Math.round(atMs);
    if (startsAtMs >= forMs) break;
    planned.push({
      index: planned.length,
      fault: name,
      target: targets[Math.floor(random.next() * targets.length)] as string,
      atMs: startsAtMs,
      durationMs: Math.round(Math.min(lasts, Math.max(least, forMs - atMs))),
    });
    atMs += between(random, ...gapMs);
  }
  return planned;
}

/** A shuffled deck in which neighbours are of different classes as long as that is possible. */
function shuffleByClass(faults: readonly Drawable[], random: Random): Drawable[] {
  const left = shuffle(faults, random);
  const deck: Drawable[] = [];
  while (left.length > 0) {
    const other = left.findIndex((fault) => fault.class !== deck.at(-1)?.class);
    deck.push(...left.splice(Math.max(0, other), 1));
  }
  return deck;
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}

const between = (random: Random, least: number, most: number): number => least + random.next() * (most - least);
