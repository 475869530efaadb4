import type { Readable, Writable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { edgeProblems } from '#contracts/edge';
import { contractProblems, headerNames } from '#kit/contract';
import type { World } from '#kit/runtime';
import { bufferBody, createHeldBodies, isRepeatable } from '../http/body.ts';
import { type Headers, inwardHeaders, outwardHeaders } from '../http/headers.ts';
import type { HopTelemetry, Visit } from '../http/observe.ts';
import type { CacheRequest, Entry, HttpCache } from './http-cache.ts';
import type { CdnOutcome } from './index.ts';
import { answerProblem, type FrontRequest, type FrontResponse } from './server.ts';
import { createSlowClients } from './slow-clients.ts';

export interface ReverseProxyOptions {
  readonly world: World;
  readonly pool: Pool;
  readonly cache: HttpCache;
  readonly counts: Record<CdnOutcome, number>;
  readonly onCalled: HopTelemetry['called'];
  readonly isTls: boolean;
  /** A client that takes nothing of its reply for so long is cut off. */
  readonly stallMs: number;
}

/** Bodies up to this are held until there is an answer, so that they can be sent again. */
const heldBytesMax = { eachMax: 64 * 1024, allMax: 64 * 1024 * 1024 };
/** A connection that breaks before its answer is one to somebody who is restarted, or was killed: others may break with it. */
const sendsMax = 3;
const againAfterMs = 20;
/** Largest body that is kept. What is larger passes through. */
const objectSizeBytesMax = 2 * 1024 * 1024;
/** A request as it goes on, and who asks. */
interface Asked extends CacheRequest {
  readonly address: string;
}

interface Fetching {
  readonly done: Promise<Entry | undefined>;
}

interface Fetched {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Dispatcher.ResponseData['body'];
}

/** Answers from the cache, or asks the origin; one fetch for all who wait for the same thing. */
export function createReverseProxy(
  options: ReverseProxyOptions,
): (request: FrontRequest, response: FrontResponse, visit: Visit) => void {
  const { world, pool, cache, counts, onCalled, isTls } = options;
  const { clock, timers } = world;
  const fetching = new Map<string, Fetching>();
  const held = createHeldBodies(heldBytesMax);
  const slow = createSlowClients({ timers, stallMs: options.stallMs });

  async function handle(request: FrontRequest, response: FrontResponse, visit: Visit): Promise<void> {
    const asked = askedOf(request, isTls);
    const isRead = asked.method === 'GET' || asked.method === 'HEAD';
    if (!isRead || asked.headers['range'] !== undefined) return pass(asked, request, response, visit);
    const kept = cache.find({ ...asked, method: 'GET' });
    if (kept) return answerKept(asked, kept, response, visit);
    if (asked.method === 'HEAD' || asked.headers['authorization'] !== undefined)
      return pass(asked, request, response, visit);
    return answerMissing(asked, response, visit);
  }

  async function answerKept(asked: Asked, kept: Entry, response: FrontResponse, visit: Visit): Promise<void> {
    const { response: usable, revalidation } = kept.policy.evaluateRequest({ ...asked, method: 'GET' });
    if (usable && !revalidation) return send(asked, response, kept, 'hit');
    // Nobody waits for what is renewed behind a stale answer: it is no part of this visit.
    const renewing = renew(asked, kept, revalidation?.headers ?? {}, usable ? undefined : visit);
    if (usable) {
      renewing.catch(() => {});
      return send(asked, response, kept, 'stale');
    }
    try {
      const renewed = await renewing;
      if (renewed) return send(asked, response, renewed.entry, renewed.isSame ? 'revalidated' : 'miss');
    } catch (error) {
      if (cache.mayServeStale(kept)) return send(asked, response, kept, 'stale');
      throw error;
    }
    return answerMissing(asked, response, visit);
  }

  /** The entry as it is now; undefined when the reply is not one to keep. Throws when the origin fails. */
  async function renew(
    asked: Asked,
    kept: Entry,
    headers: Headers,
    visit: Visit | undefined,
  ): Promise<{ entry: Entry; isSame: boolean } | undefined> {
    const question = { ...asked, method: 'GET', headers: { ...asked.headers, ...headers } };
    const { moment } = cache;
    const fetched = await fetch(question, null, visit);
    if (fetched.status >= 500) {
      await fetched.body.dump();
      throw new Error(`the origin answers ${fetched.status}`);
    }
    const body = Buffer.from(await fetched.body.arrayBuffer());
    const same = cache.renew(question, kept, fetched, body);
    if (same) return { entry: same, isSame: true };
    const entry = cache.store(withoutConditions(asked), fetched, body, moment);
    return entry && { entry, isSame: false };
  }

  async function answerMissing(asked: Asked, response: FrontResponse, visit: Visit): Promise<void> {
    const key = `${asked.url} ${asked.headers['accept-encoding'] ?? ''} ${asked.headers['origin'] ?? ''}`;
    const leader = fetching.get(key);
    if (leader) {
      const entry = await leader.done;
      if (entry) return send(asked, response, entry, 'hit');
      // Not one to share: each for himself.
      return relay(asked, response, await fetch(asked, null, visit), 'passed');
    }
    const whole = withoutConditions(asked);
    const settled = Promise.withResolvers<Entry | undefined>();
    fetching.set(key, { done: settled.promise });
    const { moment } = cache;
    try {
      const fetched = await fetch(whole, null, visit);
      const body = mayBeKept(fetched) ? await bodyUpTo(fetched.body, objectSizeBytesMax) : undefined;
      const entry = body?.isWhole ? cache.store(whole, fetched, body.bytes, moment) : undefined;
      settled.resolve(entry);
      if (entry) return send(asked, response, entry, 'miss');
      return relay(asked, response, fetched, 'passed', body?.bytes);
    } finally {
      settled.resolve(undefined);
      fetching.delete(key);
    }
  }

  async function pass(asked: Asked, request: FrontRequest, response: FrontResponse, visit: Visit): Promise<void> {
    const { 'content-length': length, 'transfer-encoding': chunked } = request.headers;
    const size = Number(length ?? 0);
    // Whole before the origin is asked: a body that comes a byte at a time keeps nobody waiting there.
    if (held.take(size)) {
      try {
        return await relay(asked, response, await fetch(asked, await bufferBody(request, size), visit), 'passed');
      } finally {
        held.giveBack(size);
      }
    }
    const streams =
      length !== undefined || chunked !== undefined || ('stream' in request && !request.stream.endAfterHeaders);
    if (!streams) return relay(asked, response, await fetch(asked, null, visit), 'passed');
    const endUpload = slow.beginUpload(asked.address);
    if (!endUpload) return answerProblem(request, response, edgeProblems['rate-limited'](), world);
    request.once('end', endUpload).once('close', endUpload);
    return relay(asked, response, await fetch(asked, request, visit), 'passed');
  }

  async function fetch(asked: Asked, body: Readable | Buffer | null, visit: Visit | undefined): Promise<Fetched> {
    const { method, url } = asked;
    const headers = visit?.spanId === undefined ? asked.headers : { ...asked.headers, [headerNames.hop]: visit.spanId };
    const mayRepeat = isRepeatable(method, headers) && (body === null || Buffer.isBuffer(body));
    const startMs = clock.monotonicMs();
    for (let sends = 1; ; sends++) {
      try {
        const reply = await pool.request({ path: url, method: method as Dispatcher.HttpMethod, headers, body });
        onCalled(reply.statusCode, clock.monotonicMs() - startMs);
        visit?.heard(reply.headers);
        return { status: reply.statusCode, headers: reply.headers, body: reply.body };
      } catch (error) {
        if (!mayRepeat || sends >= sendsMax || !broken.has((error as { code?: unknown }).code)) {
          onCalled(undefined, clock.monotonicMs() - startMs);
          throw error;
        }
        if (sends > 1) await timers.sleep(againAfterMs);
      }
    }
  }

  /** A reply as it comes. `begun` is what was read of it already. */
  async function relay(
    asked: Asked,
    response: FrontResponse,
    fetched: Fetched,
    outcome: CdnOutcome,
    begun?: Buffer,
  ): Promise<void> {
    counts[outcome]++;
    begin(response, fetched.status, {
      ...forClients(fetched.headers),
      'cache-status': `holdfast; fwd=${outcome === 'passed' ? 'bypass' : 'miss'}`,
    });
    if (begun) (response as NodeJS.WritableStream).write(begun);
    if (asked.method === 'HEAD') {
      await fetched.body.dump();
      return void response.end();
    }
    slow.pour(fetched.body, response as Writable, asked.address);
  }

  function send(asked: Asked, response: FrontResponse, entry: Entry, outcome: CdnOutcome): void {
    counts[outcome]++;
    const headers = forClients(entry.policy.responseHeaders() as Headers);
    if (entry.cacheControl === undefined) delete headers['cache-control'];
    else headers['cache-control'] = entry.cacheControl;
    headers['cache-status'] =
      outcome === 'miss' ? 'holdfast; fwd=miss; stored' : `holdfast; ${statusWords[outcome] ?? 'hit'}`;
    if (entry.status === 200 && isKnown(asked, headers['etag']?.toString())) {
      delete headers['content-length'];
      begin(response, 304, headers);
      return void response.end();
    }
    headers['content-length'] = String(entry.body.length);
    begin(response, entry.status, headers);
    if (asked.method === 'HEAD') response.end();
    else response.end(entry.body);
  }

  return (request, response, visit) => {
    handle(request, response, visit).catch((error) => {
      counts.failed++;
      if (response.headersSent) return void response.destroy();
      world.log.warn('the origin can not be reached', { error });
      const isLate = (error as { code?: unknown }).code === 'UND_ERR_HEADERS_TIMEOUT';
      answerProblem(request, response, isLate ? contractProblems.timeout() : edgeProblems.unreachable(), world);
    });
  };
}

/** The connection ended before there was an answer. */
const broken: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'ECONNREFUSED', 'EPIPE']);

const statusWords: Readonly<Partial<Record<CdnOutcome, string>>> = {
  stale: 'hit; ttl=0',
  revalidated: 'hit; fwd=stale; fwd-status=304',
};

function begin(response: FrontResponse, status: number, headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
  response.statusCode = status;
}

/** The request as the origin gets it: our word for where it comes from, one of the codings that it knows. */
function askedOf(request: FrontRequest, isTls: boolean): Asked {
  const headers = inwardHeaders(request, isTls, undefined);
  const coding = codingOf(headers['accept-encoding']?.toString());
  if (coding) headers['accept-encoding'] = coding;
  else delete headers['accept-encoding'];
  const address = request.socket.remoteAddress ?? '';
  return { method: request.method ?? 'GET', url: request.url ?? '/', headers, address };
}

/** Of all that a browser lists the best one: else each browser would have variants of its own. */
export function codingOf(accepted: string | undefined): string | undefined {
  if (accepted === undefined) return undefined;
  const refused = new Set([...accepted.matchAll(/([\w-]+)\s*;\s*q=0(?:\.0*)?(?=\s*(?:,|$))/g)].map(([, name]) => name));
  return ['zstd', 'br', 'gzip'].find((coding) => new RegExp(`\\b${coding}\\b`).test(accepted) && !refused.has(coding));
}

/** What the origin says to caches is for us. */
function forClients(headers: Headers): Headers {
  const { 'cdn-cache-control': _life, 'cache-tag': _tags, ...rest } = outwardHeaders(headers, false);
  return rest;
}

/** What is kept is kept whole; whether this client has it already is looked at when it is sent. */
function withoutConditions(asked: Asked): Asked {
  const { 'if-none-match': _tag, 'if-modified-since': _time, ...headers } = asked.headers;
  return { ...asked, headers };
}

function isKnown({ headers }: CacheRequest, etag: string | undefined): boolean {
  const wanted = headers['if-none-match']?.toString();
  if (wanted === undefined || etag === undefined) return false;
  const strong = (tag: string) => tag.trim().replace(/^W\//, '');
  return wanted.trim() === '*' || wanted.split(',').some((tag) => strong(tag) === strong(etag));
}

function mayBeKept({ status, headers }: Fetched): boolean {
  const said = `${headers['cache-control'] ?? ''} ${headers['cdn-cache-control'] ?? ''}`;
  const isEvents = String(headers['content-type'] ?? '').includes('event-stream');
  if (status !== 200 || isEvents || (/no-store|private/.test(said) && headers['cdn-cache-control'] === undefined))
    return false;
  return Number(headers['content-length'] ?? 0) <= objectSizeBytesMax;
}

async function bodyUpTo(body: Readable, sizeBytesMax: number): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const iterator = body.iterator({ destroyOnReturn: false });
  for await (const chunk of iterator) {
    chunks.push(chunk as Buffer);
    sizeBytes += (chunk as Buffer).length;
    if (sizeBytes > sizeBytesMax) return { bytes: Buffer.concat(chunks), isWhole: false };
  }
  return { bytes: Buffer.concat(chunks), isWhole: true };
}
