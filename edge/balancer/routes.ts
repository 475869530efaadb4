import type { Random } from '#kit/runtime';
import type { BalancerPool } from './pool.ts';

/** Which requests a rule takes: all that it names must fit. */
export interface Match {
  /** `shop.example`, or `*.shop.example` for all below it. */
  readonly host?: string;
  /** `/products` fits itself and all below it, never `/products-old`. */
  readonly path?: string;
  readonly methods?: readonly string[];
  /** Each header has this value; `true`: is there. Lower-case names. */
  readonly headers?: Readonly<Record<string, string | true>>;
  readonly cookies?: Readonly<Record<string, string | true>>;
}

export interface Rule {
  readonly when?: Match;
  /** Pools that share the requests by weight: `[{ pool: stable, weight: 95 }, { pool: canary, weight: 5 }]`. */
  readonly to: readonly { readonly pool: BalancerPool; readonly weight?: number }[];
  /** A client stays with one pool, and one member where the pool hashes, by this cookie, which it is given. */
  readonly sticky?: { readonly cookie: string };
}

export interface RequestHead {
  readonly method: string;
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The first rule that fits. */
export function findRule(rules: readonly Rule[], head: RequestHead): Rule | undefined {
  return rules.find(({ when }) => when === undefined || fits(when, head));
}

function fits({ host, path, methods, headers, cookies }: Match, head: RequestHead): boolean {
  if (host !== undefined && !hostFits(host, head.host)) return false;
  if (path !== undefined && !pathFits(path, head.path)) return false;
  if (methods && !methods.includes(head.method)) return false;
  if (headers && !allFit(headers, (name) => head.headers[name]?.toString())) return false;
  return !cookies || allFit(cookies, (name) => cookieOf(head.headers['cookie']?.toString(), name));
}

function hostFits(pattern: string, host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return pattern.startsWith('*.')
    ? name.endsWith(pattern.slice(1)) && name.length > pattern.length - 1
    : name === pattern;
}

function pathFits(prefix: string, path: string): boolean {
  const base = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  return path === base || path.startsWith(`${base}/`);
}

function allFit(wanted: Readonly<Record<string, string | true>>, read: (name: string) => string | undefined): boolean {
  return Object.entries(wanted).every(([name, want]) => {
    const value = read(name);
    return want === true ? value !== undefined : value === want;
  });
}

export function cookieOf(cookies: string | undefined, name: string): string | undefined {
  for (const part of (cookies ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return undefined;
}

/**
 * The pool for a request, by weight, and behind it those that stand in when nobody there answers: a canary that dies takes none
 * of its share with it. Pools without a weight get nothing.
 */
export function poolsFor(rule: Rule, key: string | undefined, random: Random): readonly BalancerPool[] {
  const [only] = rule.to;
  if (only && rule.to.length === 1) return [only.pool];
  const weighted = rule.to.filter(({ weight = 1 }) => weight > 0);
  const serving = weighted.filter(({ pool }) => pool.isServing);
  const chosen = choosePool({ to: serving.length > 0 ? serving : weighted }, key, random);
  return chosen ? [chosen, ...weighted.map(({ pool }) => pool).filter((pool) => pool !== chosen)] : [];
}

/** One of the pools by weight: by chance, or always the same for a key. */
export function choosePool(
  { to }: Pick<Rule, 'to'>,
  key: string | undefined,
  random: Random,
): BalancerPool | undefined {
  const total = to.reduce((sum, { weight = 1 }) => sum + weight, 0);
  let left = (key === undefined ? random.next() : shareOf(key)) * total;
  for (const { pool, weight = 1 } of to) {
    left -= weight;
    if (left < 0) return pool;
  }
  return to.at(-1)?.pool;
}

/** FNV-1a, finished as Murmur does: a number in [0, 1) that looks drawn by chance and is not. */
function shareOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
