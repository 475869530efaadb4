/** Decisions of the users service: no IO, no clock, no chance. */

/**
 * What makes two e-mail addresses the same account: case and Unicode form don't. (The part before the @ may be case
 * sensitive in theory; a second account that differs in case alone is a trap in practice.)
 */
export function emailKeyOf(email: string): string {
  return email.normalize('NFKC').toLowerCase();
}

/** Each word of the text as the beginning of a word, for text search of PostgreSQL; undefined when there is no word in it. */
export function nameQueryOf(text: string): string | undefined {
  const words = text
    .normalize('NFKC')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu);
  return words?.map((word) => `${word}:*`).join(' & ');
}

/** Passwords are compared by characters, not by how a keyboard encodes them (NIST SP 800-63B §3.1.1.2). */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

/** The most common passwords that are long enough for the contract; shorter ones are refused by it anyway. */
const commonPasswords = new Set(
  `1234567890 qwertyuiop password12 password123 password1234 1q2w3e4r5t 1qaz2wsx3edc 0123456789 9876543210 123456789a
   qwerty12345 qwerty123456 qwertyuiop123 iloveyou12 iloveyou123 administrator letmein123 welcome123 changeme123
   abc1234567 abcd123456 football123 baseball123 sunshine123 princess123 passw0rd123 1234512345 1122334455 987654321a
   asdfghjkl123 zxcvbnm123 q1w2e3r4t5 1q2w3e4r5t6y 147258369a 12345678910 1234567891 123123123123 111111111111`.split(
    /\s+/,
  ),
);

const distinctCharactersMin = 5;

/** One sentence on why a password is too easy to guess; undefined when it isn't. */
export function passwordWeakness(password: string, email: string): string | undefined {
  const text = normalizePassword(password).toLowerCase();
  if (commonPasswords.has(text)) return 'it is one of the most common passwords';
  if (new Set(text).size < distinctCharactersMin)
    return `it has fewer than ${distinctCharactersMin} different characters`;
  const [name = ''] = emailKeyOf(email).split('@', 1);
  if (text === emailKeyOf(email) || (name.length >= 4 && text.replace(name, '').length < 6)) {
    return 'it is built on the e-mail address';
  }
  return undefined;
}

/** How fast attempts slow down. */
export interface AttemptPolicy {
  /** Attempts that cost no waiting. */
  readonly free: number;
  /** Wait after the last free attempt; it doubles with each further one. */
  readonly waitMsBase: number;
  /** Longest wait: bounds what somebody can do to an account by failing on purpose. */
  readonly waitMsMax: number;
  /** A quiet time after which everything is forgotten. */
  readonly forgetMs: number;
}

/**
 * Five wrong passwords for an account cost nothing; then 1 s, 2 s, 4 s … 5 minutes: at most some 300 guesses a day, and
 * an owner who is being attacked waits 5 minutes at worst. A source (a whole office may share one) gets 30 free.
 */
export const accountAttempts: AttemptPolicy = {
  free: 5,
  waitMsBase: 1_000,
  waitMsMax: 300_000,
  forgetMs: 3_600_000,
};
export const sourceAttempts: AttemptPolicy = { ...accountAttempts, free: 30 };
/** Reset mails: three an hour to one address; thirty requests an hour from one source. */
export const resetAccountAttempts: AttemptPolicy = {
  free: 3,
  waitMsBase: 600_000,
  waitMsMax: 3_600_000,
  forgetMs: 3_600_000,
};
export const resetSourceAttempts: AttemptPolicy = { ...resetAccountAttempts, free: 30 };

export interface AttemptState {
  readonly count: number;
  readonly lastAtMs: number;
  readonly blockedUntilMs: number | undefined;
}

/**
 * An attempt is charged before it is carried out, so that a thousand at once don't all count as the first. While
 * blocked, attempts are refused and charge nothing: the block must end by waiting.
 */
export function chargeAttempt(
  state: AttemptState | undefined,
  policy: AttemptPolicy,
  nowMs: number,
): { readonly refusedForMs: number } | AttemptState {
  const blockedForMs = (state?.blockedUntilMs ?? 0) - nowMs;
  // A longer one than is ever given out was given by a clock that has been set back since: nobody waits a day for that.
  if (blockedForMs > 0 && blockedForMs <= policy.waitMsMax) return { refusedForMs: blockedForMs };
  const known = state && nowMs - state.lastAtMs < policy.forgetMs ? state.count : 0;
  const count = known + 1;
  const over = count - policy.free;
  // 2^30 seconds is far over any maximum; without the bound the power would leave the range of exact numbers.
  const waitMs = over < 0 ? 0 : Math.min(policy.waitMsMax, policy.waitMsBase * 2 ** Math.min(over, 30));
  return { count, lastAtMs: nowMs, blockedUntilMs: waitMs > 0 ? nowMs + waitMs : undefined };
}

/**
 * The network that attempts are counted by: an IPv4 address, or the /64 of an IPv6 address, as whoever has one address
 * in it has them all.
 */
export function sourceOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('%', 1)[0]!.split('::', 2);
  const before = head.split(':').filter(Boolean);
  const after = (tail ?? '').split(':').filter(Boolean);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

export function etagOf(version: number): string {
  return `"${version}"`;
}
