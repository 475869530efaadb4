/**
 * Words within a few typing errors of each other, found by equality look-ups: SymSpell's deletion neighbourhood (Wolf
 * Garbe, 2012). Two words at distance d share a form with at most d letters left out, so a table of such forms finds
 * every neighbour through an ordinary B-tree. See `schema/001.do.create-products.sql` for why not by trigrams.
 */

/** Errors looked for: in three letters or fewer a neighbour is usually another word; long words have room for two. */
export function errorsMaxOf(word: string): number {
  if (word.length <= 3 || /^\d+$/.test(word)) return 0;
  return word.length <= 7 ? 1 : 2;
}

/** Only the beginning is put into forms: errors behind it don't change it, so nothing is missed and the table is small. */
const prefixChars = 7;

/** Forms under which a word of the catalogue is filed: at most 29. */
export function formsFiled(word: string): string[] {
  // A typed word may be two letters longer than the one that was meant: file for the errors allowed to that one.
  return formsOf(word, errorsMaxOf(`${word}xx`));
}

/** Forms to look up for a typed word. */
export function formsLookedUp(typed: string): string[] {
  return formsOf(typed, errorsMaxOf(typed));
}

function formsOf(word: string, deletions: number): string[] {
  const start = word.slice(0, prefixChars);
  const forms = new Set([start]);
  let last = [start];
  for (let i = 0; i < deletions; i++) {
    const next: string[] = [];
    for (const form of last) {
      for (let at = 0; at < form.length; at++) {
        const shorter = form.slice(0, at) + form.slice(at + 1);
        if (shorter.length < 2 || forms.has(shorter)) continue;
        forms.add(shorter);
        next.push(shorter);
      }
    }
    last = next;
  }
  return [...forms];
}

/**
 * Optimal string alignment: insertions, deletions, substitutions, and neighbours swapped (the commonest slip) count one
 * each. Words are at most 40 characters, so the plain quadratic table is the fast one.
 */
export function typoDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] as number) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] as number;
}

const codeCharsMax = 32;
const codeAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * All codes one slip away: some 900 for 12 characters, for as many look-ups of a B-tree (about 1 ms). Codes are alike by
 * nature, so anything looser finds hundreds, and filing the forms of each, as is done for words, would take a table many
 * times the size of theirs.
 */
export function codesNear(code: string): string[] {
  if (code.length > codeCharsMax) return [];
  const near = new Set<string>();
  for (let at = 0; at <= code.length; at++) {
    const [before, after] = [code.slice(0, at), code.slice(at)];
    for (const letter of codeAlphabet) {
      near.add(before + letter + after);
      if (after) near.add(before + letter + after.slice(1));
    }
    if (after) near.add(before + after.slice(1));
    if (after.length > 1) near.add(before + after[1] + after[0] + after.slice(2));
  }
  near.delete(code);
  return [...near];
}
