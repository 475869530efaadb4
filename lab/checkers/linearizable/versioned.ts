/** An answer about one object that names the version of it that it saw or made. */
export interface VersionedAnswer {
  readonly id: string;
  readonly key: string;
  readonly version: number;
  /** Whether it made this version. A read saw it. */
  readonly isWrite: boolean;
  /** What it said the value is at that version; undefined: nothing. */
  readonly value?: number | string | undefined;
  /** Infinity for a write whose answer never came and that is known to have taken place. */
  readonly startAt: number;
  readonly endAt: number;
}

/** The value an object had at a version, where its journal is known. */
export type ValueAt = (key: string, version: number) => number | string | undefined;

/**
 * Linearizability in n log n, where the system itself says in which order its writes took effect: one hot object is
 * exponential for a search. The order is by version, each write before the reads of its version; it is legal if each
 * value is that of its version, and if no answer had been given before one of a lower place was asked for. Sorting is
 * all that costs: Jepsen checked TigerBeetle by its timestamps in the same way (2025).
 */
export function* checkVersions(answers: readonly VersionedAnswer[], valueAt?: ValueAt): Iterable<string> {
  const groups = new Map<string, VersionedAnswer[]>();
  for (const answer of answers) {
    const group = groups.get(answer.key);
    if (group) group.push(answer);
    else groups.set(answer.key, [answer]);
  }
  for (const [key, group] of groups) yield* checkOne(key, group, valueAt);
}

const placeOf = ({ version, isWrite }: VersionedAnswer) => 2 * version + (isWrite ? 0 : 1);

function* checkOne(key: string, answers: readonly VersionedAnswer[], valueAt: ValueAt | undefined): Iterable<string> {
  const places = Float64Array.from(answers, placeOf);
  const order = Uint32Array.from(answers.keys()).sort((a, b) => (places[a] as number) - (places[b] as number));
  yield* valuesAgree(key, answers, order, valueAt);

  // From the highest place down: the earliest end of any answer of a higher place than this.
  let earliest: VersionedAnswer | undefined;
  let ofThisPlace: VersionedAnswer | undefined;
  let place = Number.POSITIVE_INFINITY;
  for (let at = order.length - 1; at >= 0; at--) {
    const answer = answers[order[at] as number] as VersionedAnswer;
    if (placeOf(answer) < place) {
      if (ofThisPlace && ofThisPlace.endAt < (earliest?.endAt ?? Number.POSITIVE_INFINITY)) earliest = ofThisPlace;
      ofThisPlace = undefined;
      place = placeOf(answer);
    }
    if (earliest && earliest.endAt < answer.startAt) yield stale(key, answer, earliest);
    if (!ofThisPlace || answer.endAt < ofThisPlace.endAt) ofThisPlace = answer;
  }
}

function stale(key: string, answer: VersionedAnswer, known: VersionedAnswer): string {
  const verb = answer.isWrite ? 'was made' : 'was read';
  return (
    `${key}: version ${answer.version} ${verb} by ${answer.id}, asked for at ${answer.startAt}, ` +
    `after ${known.id} had ${known.isWrite ? 'made' : 'seen'} version ${known.version} by ${known.endAt}`
  );
}

function* valuesAgree(
  key: string,
  answers: readonly VersionedAnswer[],
  order: Uint32Array,
  valueAt: ValueAt | undefined,
): Iterable<string> {
  let version = Number.NaN;
  let said: VersionedAnswer | undefined;
  let maker: VersionedAnswer | undefined;
  for (const index of order) {
    const answer = answers[index] as VersionedAnswer;
    if (answer.version !== version) {
      version = answer.version;
      said = undefined;
      maker = undefined;
    }
    if (answer.isWrite) {
      if (maker) yield `${key}: version ${version} was made by ${maker.id} and by ${answer.id}`;
      maker = answer;
    }
    if (answer.value === undefined) continue;
    const truth = valueAt?.(key, version);
    if (valueAt && truth !== answer.value) {
      yield `${key} at version ${version}: ${answer.id} answered ${answer.value}, the journal says ${truth}`;
    } else if (said && said.value !== answer.value) {
      yield `${key} at version ${version}: ${said.id} answered ${said.value}, ${answer.id} answered ${answer.value}`;
    }
    said ??= answer;
  }
}
