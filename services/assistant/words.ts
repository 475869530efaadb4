/** Questions are long; these words say nothing about products, and PostgreSQL's own list of such words lacks them. */
const idle = new Set(
  'a an and any anything are available buy can cheap cheapest cost costs could do does expensive find for get give have how i in is it know like looking me much my need of on one or please price prices recommend sell shop show something stock suggest take tell than that the there these this to want we what which with would you your'.split(
    ' ',
  ),
);

const wordsMax = 24;

/** Words of a question that may be about a product, each once. */
export function wordsOf(question: string): string[] {
  const words =
    question
      .toLowerCase()
      .normalize('NFKC')
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(words.filter((word) => !idle.has(word) && word.length <= 40))].slice(0, wordsMax);
}

/** Words of the vocabulary that were perhaps meant by one that it lacks: one typing error, in long words two. At most three. */
export function meantBy(word: string, vocabulary: readonly string[]): string[] {
  if (word.length < 3 || /^\d+$/.test(word) || isKnown(word, vocabulary)) return [];
  const errorsMax = word.length <= 7 ? 1 : 2;
  const near = vocabulary.flatMap((known) => {
    // What is known is stemmed: `climb` for climbing. So it is compared with as much of the typed word, too.
    const isStem = known.length >= 4 && word.length - known.length <= 3;
    const whole = editDistance(word, known, errorsMax);
    const distance = isStem ? Math.min(whole, editDistance(word.slice(0, known.length), known, errorsMax)) : whole;
    return distance <= errorsMax && known.length >= 4 ? [{ known, distance }] : [];
  });
  near.sort((a, b) => a.distance - b.distance);
  return near.slice(0, 3).map(({ known }) => known);
}

function isKnown(word: string, vocabulary: readonly string[]): boolean {
  return vocabulary.some((known) => known === word || (known.length >= 4 && word.startsWith(known)));
}

/** Levenshtein's, given up (with more than `max`) where it can't be within `max`. */
function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let before = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (before[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((before[j] as number) + 1, (row[j - 1] as number) + 1, swap));
    }
    if (Math.min(...row) > max) return max + 1;
    before = row;
  }
  return before[b.length] as number;
}
