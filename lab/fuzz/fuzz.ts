import { request as send } from 'undici';
import { seededRandom, type World } from '#kit/runtime';
import { type Document, type Operation, operationsOf } from './api.ts';
import { type Doer, deeds } from './deeds.ts';
import { type Answer, faultOf, type Role } from './judge.ts';
import { createPool } from './pool.ts';
import { drawShot, type Shot, shotOf } from './request.ts';
import { drawFrom } from './schema.ts';

export interface FuzzOptions {
  readonly world: World;
  /** Of the public door. */
  readonly origin: string;
  readonly seed: number;
  readonly shots: number;
  /** How each role comes in; a role without is not tried. Asked again when its token is refused. */
  readonly signIn: Readonly<Record<Exclude<Role, 'anonymous'>, () => Promise<string>>>;
  /** Only operations with this in their id. */
  readonly only?: string | undefined;
  /** Told of each finding when it is seen for the first time. */
  readonly onFinding?: (finding: Finding) => void;
}

export interface Finding {
  readonly operation: string;
  readonly role: Role;
  readonly fault: string;
  readonly status: number | undefined;
  readonly shot: Shot;
  readonly reply: string;
  /** How often the same was seen. */
  count: number;
}

export interface FuzzReport {
  readonly shots: number;
  readonly operations: number;
  /** Answers by their hundreds: `2xx`. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Operations that never did what they are for, and how they were refused: the requests drawn for them are not good enough. */
  readonly neverDone: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly findings: readonly Finding[];
}

/** These end processes, break things on purpose, or lock out those who ask. */
const left: ReadonlySet<string> = new Set([
  'operators.killProcess',
  'operators.restartProcess',
  'operators.setFaults',
  'users.setDisabled',
  'users.setRole',
]);
/** What no answer tells of at first, and without which next to nothing can be bought. */
const wellKnown = {
  ...{ currency: 'EUR', country: 'DE', method: 'pm_card_visa', direction: 'in' },
  // With which accounts are opened here, so that somebody can sign in to them.
  password: 'a long walk by the sea',
  ...{ placedAt: '2026-03-01T10:00:00Z', occurredAt: '2026-03-01T10:00:00Z', at: '2026-03-01T10:00:00Z' },
  ...{ since: '2026-03-01T10:00:00Z', startsAt: '2026-03-01T10:00:00Z', endsAt: '2030-03-01T10:00:00Z' },
};
/** Far longer than every deadline of what is no stream: what is slow is no finding. */
const hangMs = 120_000;
/** What deeds leave is used up and spoilt by what is drawn after them. */
const deedsEvery = 500;
/** A system that has too much to do just now is asked again for the steps of deeds: the next ones need them. */
const busyAttemptsMax = 10;
const busyPauseMs = 1_000;
/** A stream is listened to for so long. */
const streamMs = 300;

/**
 * Asks a running system for everything its OpenAPI document describes, in the way that it describes and in ways that it
 * does not, as each role, and holds each answer against the document. One request after the other: the same seed asks for
 * the same, but for ids, which come out of earlier answers.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { world, origin, seed, shots, signIn, only = '', onFinding } = options;
  const document = (await (await send(`${origin}/openapi.json`)).body.json()) as Document;
  const described = new Map(operationsOf(document).map((operation) => [operation.id, operation]));
  const operations = [...described.values()].filter(({ id }) => !left.has(id) && id.includes(only));
  const draw = drawFrom(seededRandom(seed, 'fuzz'));
  const tokens = new Map<Role, string>();
  const findings = new Map<string, Finding>();
  const statuses: Record<string, number> = {};
  const undone = new Map<string, Record<string, number>>(operations.map(({ id }) => [id, {}]));
  const run = world.ids.next('fzz');
  // Whoever fails to sign in to one of these keeps us out for minutes.
  const pool = createPool(new Set(await Promise.all([emailOf('customer'), emailOf('staff'), emailOf('admin')])));

  async function tokenOf(role: Role): Promise<string | undefined> {
    if (role === 'anonymous') return undefined;
    const token = tokens.get(role) ?? (await signIn[role]());
    tokens.set(role, token);
    return token;
  }

  function note(finding: Omit<Finding, 'count'>): void {
    const key = `${finding.operation} ${finding.status} ${finding.fault}`;
    const known = findings.get(key) ?? { ...finding, count: 0 };
    known.count += 1;
    findings.set(key, known);
    if (known.count === 1) onFinding?.(known);
  }

  /** Undefined: there was no answer. */
  async function take(operation: Operation, role: Role, shot: Shot, as?: string): Promise<Answer | undefined> {
    const token = as ?? (await tokenOf(role));
    const headers = { ...shot.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    let answer: Answer;
    try {
      answer = await askTwice(world, `${origin}${shot.url}`, { ...shot, headers });
    } catch (error) {
      // A header that undici itself refuses never left.
      if ((error as { code?: string }).code === 'UND_ERR_INVALID_ARG') return undefined;
      const fault = `no answer: ${(error as Error).message}`;
      note({ operation: operation.id, role, fault, status: undefined, shot, reply: '' });
      return undefined;
    }
    const group = `${Math.floor(answer.status / 100)}xx`;
    statuses[group] = (statuses[group] ?? 0) + 1;
    if (answer.status < 300) undone.delete(operation.id);
    else count(undone.get(operation.id), refusalIn(answer));
    if (answer.text.includes('gateway/token-refused')) tokens.delete(role);
    const fault = faultOf(operation, role, shot, answer);
    if (fault)
      note({ operation: operation.id, role, fault, status: answer.status, shot, reply: answer.text.slice(0, 600) });
    learnFrom(answer, shot.about);
    return answer;
  }

  /** What cannot be gone on with, because a step was refused, is left: what was drawn meanwhile may have come in its way. */
  async function doAll(round: number, sku: string): Promise<void> {
    let step = 0;
    const ask: Doer['ask'] = async (id, request = {}) => {
      const operation = described.get(id) as Operation;
      const shot = shotOf(operation, request, `${run}-${round}-${step++}`);
      let answer: Answer | undefined;
      for (let attempt = 1; attempt <= busyAttemptsMax; attempt++) {
        answer = await take(operation, request.role ?? 'admin', shot, request.token);
        if (answer && ![429, 503, 504].includes(answer.status)) break;
        await world.timers.sleep(busyPauseMs);
      }
      if (!answer || answer.status >= 300) throw new StepRefused();
      return answer.text.startsWith('{') && !answer.isCut ? JSON.parse(answer.text.split('\n', 1)[0] as string) : {};
    };
    for (const deed of deeds) {
      await deed({ ask, sku, ids: world.ids }).catch((error) => {
        if (!(error instanceof StepRefused)) throw error;
      });
    }
  }

  function learnFrom({ text, status }: Answer, about: string | undefined): void {
    // A conflict tells how things are.
    if (status >= 300 && status !== 409) return;
    try {
      pool.learn(JSON.parse(text), about);
    } catch {
      // Lines, or cut: the next page will do.
    }
  }

  async function emailOf(role: Role): Promise<string> {
    const headers = { authorization: `Bearer ${await tokenOf(role)}` };
    return ((await (await send(`${origin}/users/me`, { headers })).body.json()) as { email: string }).email;
  }

  pool.learnForGood(wellKnown);
  const products = await productsOf(origin);
  pool.learnForGood(products.map(({ slug, skus }) => [{ idOrSlug: slug }, skus.map((sku) => ({ sku }))]));
  const roles = ['anonymous', 'customer', 'staff', 'admin'] as const;
  for (let i = 0; i < shots; i++) {
    if (i % deedsEvery === 0) await doAll(i, products[0]?.skus[0] ?? '');
    // Each is asked for equally often, in an order that differs from round to round; later also what was never done until then.
    const stillUndone = i > shots / 3 && draw.once(2) ? operations.filter(({ id }) => undone.has(id)) : [];
    const operation =
      stillUndone.length > 0 ? draw.pick(stillUndone) : operations[(i + draw.below(3)) % operations.length];
    if (!operation) continue;
    const role = draw.once(3) ? draw.pick(roles) : 'admin';
    await take(operation, role, drawShot(operation, draw, pool, `${run}-${i}`));
  }
  return {
    shots,
    operations: operations.length,
    statuses,
    neverDone: Object.fromEntries([...undone].sort().map(([id, refusals]) => [id, mostly(refusals)])),
    findings: [...findings.values()],
  };
}

class StepRefused extends Error {}

const refusalsMax = 3;
const refusalCharsMax = 120;

/** What an answer refuses, without what differs from one to the next. */
function refusalIn({ status, text }: Answer): string {
  const [, code = ''] = /"code":"([^"]+)"/.exec(text) ?? [];
  const [, pointer = '', detail = ''] = /"pointer":"([^"]*)","detail":"([^"]*)/.exec(text) ?? [];
  return `${status} ${code} ${pointer} ${detail}`.trim().slice(0, refusalCharsMax);
}

function count(counts: Record<string, number> | undefined, what: string): void {
  if (counts) counts[what] = (counts[what] ?? 0) + 1;
}

const mostly = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .slice(0, refusalsMax),
  );

/** What is really sold there: most SKUs that come back in answers are of nothing. */
async function productsOf(
  origin: string,
): Promise<readonly { readonly slug: string; readonly skus: readonly string[] }[]> {
  const { body } = await send(`${origin}/products?limit=20`);
  return ((await body.json()) as { items: readonly { readonly slug: string; readonly skus: readonly string[] }[] })
    .items;
}

/** A connection that was kept may have been closed as it was used: that once proves nothing. */
async function askTwice(world: World, url: string, shot: Shot): Promise<Answer> {
  try {
    return await ask(world, url, shot);
  } catch (error) {
    if (!['ECONNRESET', 'UND_ERR_SOCKET'].includes((error as { code?: string }).code ?? '')) throw error;
    return ask(world, url, shot);
  }
}

async function ask({ timers }: World, url: string, { method, headers, body }: Shot): Promise<Answer> {
  const hang = new AbortController();
  const cancel = timers.after(hangMs, () => hang.abort(new Error(`nothing after ${hangMs} ms`)));
  try {
    const reply = await send(url, {
      method: method as 'GET',
      headers,
      body: body ?? null,
      signal: hang.signal,
    });
    const contentType = String(reply.headers['content-type'] ?? '');
    const { text, isCut } = await read(timers, reply.body, contentType);
    return { status: reply.statusCode, contentType, text, isCut };
  } finally {
    cancel();
  }
}

/** All of it, but of a stream that goes on only what comes within a moment. */
async function read(
  timers: World['timers'],
  body: AsyncIterable<Buffer> & { destroy(): unknown; on(event: 'error', listener: () => void): unknown },
  contentType: string,
): Promise<{ text: string; isCut: boolean }> {
  const parts: Buffer[] = [];
  let isCut = false;
  const isStream = contentType.startsWith('application/x-ndjson');
  const cancel = isStream
    ? timers.after(streamMs, () => {
        isCut = true;
        body.on('error', () => {});
        body.destroy();
      })
    : () => {};
  try {
    for await (const part of body) parts.push(part);
  } catch (error) {
    if (!isCut) throw error;
  } finally {
    cancel();
  }
  return { text: Buffer.concat(parts).toString(), isCut };
}
