/** What stands in the place of what must not be seen. */
export const redacted = '[redacted]';

/**
 * Cheap test of whether a text could hold any of what is looked for below; nearly all texts end here. Thirteen digits
 * (with single separators), or a word that goes with secrets.
 */
const suspicious =
  /\d(?:[ ._/\\-]{0,2}\d){12}|bearer|basic |eyJ|pass(?:w|phrase|code)|pwd|secret|token|authori[sz]ation|cookie|api.?key|(?:access|private|signing|encryption).?key|credential|cvc|cvv|:\/\/[^\s/]*@|[spr]k_(?:live|test)_|whsec_|AKIA|gh[pousr]_|xox[abpr]-|PRIVATE KEY|\$argon2/i;

/** Replaces card numbers, credentials and tokens in a text, whatever they stand in. */
export function redactText(text: string): string {
  if (text.length < 4 || !suspicious.test(text)) return text;
  let clean = text;
  for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement);
  return redactCardNumbers(clean);
}

// All repetitions before something that must follow are bounded or can't overlap: no text takes quadratic time.
// The end of a name that is a secret's, in any spelling: client_secret, X-Api-Key, refreshToken, card[cvc].
const secretName =
  '(?:pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|api[-_ ]?key|(?:access|private|signing|encryption)[-_ ]?key|cvc|cvv2?)[a-z0-9_.-]{0,40}';
// What may stand between a name and its value: quotes (escaped or not), brackets, = or : or =>.
const assignment = String.raw`[\\"'\]]*\s*(?:=>|[=:]|%3[AaDd])\s*`;
const quotedOrBare = String.raw`(?:\\*"(?:[^"\\]|\\[^"])*\\*"?|\\*'[^']*'?|[^\s,;&})\]"']+)`;

const patterns: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, redacted],
  // Headers whose whole value is secret, to the end of the line or of the quoted text.
  [
    new RegExp(
      String.raw`((?:proxy-)?authori[sz]ation|(?:set-)?cookie2?)(${assignment})(?:"[^"\r\n]*"?|'[^'\r\n]*'?|[^"'\r\n}]+)`,
      'gi',
    ),
    `$1$2${redacted}`,
  ],
  [/\b(bearer)(?:[\s:+]|%20)+[^\s,;"'<>()[\]{}]+/gi, `$1 ${redacted}`],
  [/\b(basic)\s+(?=[a-z]*[A-Z0-9+/=])[A-Za-z0-9+/]{6,}={0,2}/gi, `$1 ${redacted}`],
  [/(^|[^\w-]|%[0-9A-F]{2})eyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*)*/gi, `$1${redacted}`],
  [/(:\/\/)[^\s/"']*@/g, `$1${redacted}@`],
  [new RegExp(`(${secretName})(${assignment})(?!\\[redacted\\])${quotedOrBare}`, 'gi'), `$1$2${redacted}`],
  [/\b(?:[spr]k_(?:live|test)_|whsec_|gh[pousr]_|xox[abpr]-|AKIA)[\w+/=-]{4,}/g, redacted],
  [/\$argon2[a-z]*\$[^\s"']+/g, redacted],
];

/** Digits in groups that single separators hold together; at least as many as the shortest card number. */
const digitRun = /\d(?:[ ._/\\-]{0,2}\d){12,}/g;
const lengthMin = 13;
const lengthMax = 19;
const allLengths = [16, 15, 19, 18, 17, 14, 13];
const usualLengths = [16, 15];

/** Replaces what looks like a card number: the right length, an issuer's first digits, and a correct check digit. */
export function redactCardNumbers(text: string): string {
  return text.replace(digitRun, (run: string, at: number) =>
    isInsideHexToken(text, at, run.length) ? run : redactRun(run),
  );
}

/** The digits of a run, and for each what it may begin. */
interface Digits {
  readonly text: string;
  /** Where each stands in the run. */
  readonly places: readonly number[];
  /** Where the group of each ends: the index after its last digit. */
  readonly groupEnds: readonly number[];
  readonly groupStarts: readonly number[];
  /** Whether only zeros stand before it in its group. */
  readonly leads: readonly boolean[];
}

function digitsOf(run: string): Digits {
  const digits = { text: '', places: [] as number[], groupStarts: [] as number[], leads: [] as boolean[] };
  for (let i = 0; i < run.length; i++) {
    const digit = run[i] as string;
    if (digit < '0' || digit > '9') continue;
    const index = digits.places.length;
    const continues = index > 0 && digits.places[index - 1] === i - 1;
    digits.groupStarts.push(continues ? (digits.groupStarts[index - 1] as number) : index);
    digits.leads.push(!continues || (digits.leads[index - 1] === true && digits.text[index - 1] === '0'));
    digits.places.push(i);
    digits.text += digit;
  }
  const groupEnds = new Array<number>(digits.places.length);
  for (let index = groupEnds.length - 1; index >= 0; index--) {
    const isLast = digits.groupStarts[index + 1] !== digits.groupStarts[index];
    groupEnds[index] = isLast ? index + 1 : (groupEnds[index + 1] as number);
  }
  return { ...digits, groupEnds };
}

/** A run may be more than the number: "4111 1111 1111 1111 12/30". So every window of it is looked at. */
function redactRun(run: string): string {
  const digits = digitsOf(run);
  let clean = '';
  let copied = 0;
  for (let start = 0; start + lengthMin <= digits.places.length; start++) {
    const length = cardLengthAt(digits, start);
    if (length === 0) continue;
    clean += run.slice(copied, digits.places[start]) + redacted;
    copied = (digits.places[start + length - 1] as number) + 1;
    start += length - 1;
  }
  return copied === 0 ? run : clean + run.slice(copied);
}

/**
 * Length of the card number that begins with digit `start`, or 0. One may begin where a group of digits does (leading
 * zeros aside) and be followed by anything; inside a group only if the group is too long to be one number, or every
 * long number would hold a "card" somewhere.
 */
function cardLengthAt(digits: Digits, start: number): number {
  const groupEnd = digits.groupEnds[start] as number;
  const leads = digits.leads[start] as boolean;
  if (!leads && groupEnd - (digits.groupStarts[start] as number) <= lengthMax) return 0;
  const end = leads ? digits.text.length : groupEnd;
  for (const length of leads ? allLengths : usualLengths) {
    if (start + length > end) continue;
    if (hasIssuerPrefix(digits.text, start, length) && passesLuhn(digits.text, start, length)) return length;
  }
  return 0;
}

/** First digits by ISO/IEC 7812 as issued: keeps times in milliseconds (1…) and most article numbers readable. */
function hasIssuerPrefix(digits: string, start: number, length: number): boolean {
  const first = digits[start] as string;
  const second = digits[start + 1] as string;
  switch (length) {
    case 13:
      return first === '4';
    case 14:
      return first === '3' && '0689'.includes(second);
    case 15:
      return (
        (first === '3' && '47'.includes(second)) || digits.startsWith('2131', start) || digits.startsWith('1800', start)
      );
    default:
      return '23456'.includes(first) || (first === '8' && '12'.includes(second));
  }
}

function passesLuhn(digits: string, start: number, length: number): boolean {
  let sum = 0;
  for (let i = 0; i < length; i++) {
    let digit = digits.charCodeAt(start + length - 1 - i) - 48;
    if (i % 2 === 1) {
      digit *= 2;
      if (digit > 9) digit -= 9;
    }
    sum += digit;
  }
  return sum % 10 === 0;
}

/** Trace ids, hashes and fingerprints are hexadecimal words with long runs of digits in them. */
function isInsideHexToken(text: string, at: number, length: number): boolean {
  const isWord = (index: number) => /[0-9A-Za-z]/.test(text[index] ?? '');
  let start = at;
  let end = at + length;
  if (!isWord(start - 1) && !isWord(end)) return false;
  while (isWord(start - 1)) start--;
  while (isWord(end)) end++;
  const token = text.slice(start, end);
  return token.length >= 16 && /^(?:[0-9a-f]+|[0-9A-F]+)$/.test(token) && /[a-f]/i.test(token);
}
