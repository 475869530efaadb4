import CachePolicy from 'http-cache-semantics';
import type { Clock } from '#kit/runtime';
import type { Headers } from '../http/headers.ts';

export interface CacheRequest {
  readonly method: string;
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Headers;
}

export interface CacheResponse {
  readonly status: number;
  readonly headers: Headers;
}

/** A reply that is kept, with what RFC 9111 says about it. */
export interface Entry {
  readonly policy: CachePolicy;
  readonly status: number;
  readonly body: Buffer;
  /** Of the origin to clients; what it says to us alone is in the policy (RFC 9213). */
  readonly cacheControl: string | undefined;
  readonly tags: readonly string[];
  readonly storedAtMs: number;
}

export interface HttpCacheOptions {
  readonly clock: Clock;
  /** Bytes of bodies; beyond, what was used longest ago goes. Default 64 MiB. */
  readonly sizeBytesMax?: number;
}

export interface HttpCache {
  find(request: CacheRequest): Entry | undefined;
  /** Taken before a fetch and given with its reply: what was purged meanwhile may have been made before the change. */
  readonly moment: number;
  /** Keeps a reply if it may be kept. */
  store(request: CacheRequest, response: CacheResponse, body: Buffer, sinceMoment: number): Entry | undefined;
  /** A 304, or a new reply, to a request that was made with `revalidation` headers. */
  renew(request: CacheRequest, entry: Entry, response: CacheResponse, body: Buffer): Entry | undefined;
  /** How long ago its freshness ended, if the origin lets it be used while in error for at least as long. */
  mayServeStale(entry: Entry): boolean;
  purge(tags: readonly string[]): number;
  purgeAll(): void;
  readonly sizeBytes: number;
}

const variantsMax = 16;
/** Tags whose last purge is remembered, for fetches under way. */
const purgesMax = 10_000;

/** Without a word from the origin, what is stale may be answered for this long while the origin is away. */
const staleIfErrorSecDefault = 3_600;

/**
 * A shared cache by RFC 9111: http-cache-semantics decides, this keeps. Of one URL several variants (Vary), least recently used
 * out first, and an index by the origin's `cache-tag`, so that a change purges exactly what shows it.
 */
export function createHttpCache({ clock, sizeBytesMax = 64 * 1024 * 1024 }: HttpCacheOptions): HttpCache {
  /** The library asks for the time by this method; it is the virtual one in tests. */
  class Policy extends CachePolicy {
    now(): number {
      return clock.now();
    }
  }
  const byUrl = new Map<string, Entry[]>();
  const urlsOf = new Map<string, Set<string>>();
  const purgedAt = new Map<string, number>();
  let moment = 0;
  /** Of purges before this one nothing is remembered: fetches that are older are not kept. */
  let oldestMoment = 0;
  let sizeBytes = 0;

  function notePurge(tags: readonly string[]): void {
    moment++;
    for (const tag of tags) purgedAt.set(tag, moment);
    if (purgedAt.size <= purgesMax) return;
    purgedAt.clear();
    oldestMoment = moment;
  }

  function drop(url: string): number {
    const entries = byUrl.get(url) ?? [];
    byUrl.delete(url);
    for (const { body, tags } of entries) {
      sizeBytes -= sizeOf(url, body);
      for (const tag of tags) {
        const urls = urlsOf.get(tag);
        urls?.delete(url);
        if (urls?.size === 0) urlsOf.delete(tag);
      }
    }
    return entries.length;
  }

  function keep(url: string, entry: Entry, instead: Entry | undefined): void {
    const others = (byUrl.get(url) ?? []).filter((one) => one !== instead);
    drop(url);
    const entries = [entry, ...others].slice(0, variantsMax);
    byUrl.set(url, entries);
    for (const { body, tags } of entries) {
      sizeBytes += sizeOf(url, body);
      for (const tag of tags) {
        const urls = urlsOf.get(tag);
        if (urls) urls.add(url);
        else urlsOf.set(tag, new Set([url]));
      }
    }
    for (const oldest of byUrl.keys()) {
      if (sizeBytes <= sizeBytesMax) break;
      drop(oldest);
    }
  }

  function entryOf(policy: CachePolicy, { status, headers }: CacheResponse, body: Buffer): Entry {
    const tags = (headers['cache-tag']?.toString() ?? '').split(',').map((tag) => tag.trim());
    const cacheControl = headers['cache-control']?.toString();
    return { policy, status, body, cacheControl, tags: tags.filter(Boolean), storedAtMs: clock.now() };
  }

  const kept = (request: CacheRequest): CacheRequest => ({ ...request, method: 'GET' });

  return {
    find(request) {
      const entries = byUrl.get(request.url);
      if (!entries) return undefined;
      byUrl.delete(request.url);
      byUrl.set(request.url, entries);
      return entries.find(({ policy }) => varyMatches(policy, request));
    },
    get moment() {
      return moment;
    },
    store(request, response, body, sinceMoment) {
      const { headers } = response;
      // A cookie is somebody's.
      if (request.method !== 'GET' || headers['vary'] === '*' || headers['set-cookie'] !== undefined) return undefined;
      const policy = new Policy(kept(request), forUs(response), { shared: true, cacheHeuristic: 0 });
      // What has no validator and no life is of no use to anybody again.
      const isOfUse = policy.maxAge() > 0 || headers['etag'] !== undefined;
      if (!policy.storable() || !isOfUse) return undefined;
      const entry = entryOf(policy, response, body);
      if (sinceMoment < oldestMoment || entry.tags.some((tag) => (purgedAt.get(tag) ?? 0) > sinceMoment))
        return undefined;
      keep(request.url, entry, undefined);
      return entry;
    },
    renew(request, entry, response, body) {
      const { policy, modified } = entry.policy.revalidatedPolicy(kept(request), forUs(response));
      if (modified) return undefined;
      const { cacheControl } = entryOf(policy, response, body);
      const renewed: Entry = {
        ...entry,
        policy,
        storedAtMs: clock.now(),
        cacheControl: cacheControl ?? entry.cacheControl,
      };
      keep(request.url, renewed, entry);
      return renewed;
    },
    mayServeStale({ policy }) {
      const { rescc } = policy.toObject();
      if ('no-cache' in rescc && rescc['stale-if-error'] === undefined) return false;
      if ('must-revalidate' in rescc || 'proxy-revalidate' in rescc) return false;
      const allowedSec = Number(rescc['stale-if-error'] ?? staleIfErrorSecDefault);
      return policy.age() - policy.maxAge() <= allowedSec;
    },
    purge(tags) {
      notePurge(tags);
      const urls = new Set(tags.flatMap((tag) => [...(urlsOf.get(tag) ?? [])]));
      let purged = 0;
      for (const url of urls) purged += drop(url);
      return purged;
    },
    purgeAll() {
      moment++;
      oldestMoment = moment;
      for (const url of [...byUrl.keys()]) drop(url);
    },
    get sizeBytes() {
      return sizeBytes;
    },
  };
}

const overheadBytes = 2_048;
const sizeOf = (url: string, body: Buffer): number => overheadBytes + url.length + body.length;

/** What was said to whoever asked first, and to nobody else. */
const personal = ['ratelimit', 'ratelimit-policy', 'x-correlation-id'] as const;

/** RFC 9213: what an origin says to caches like this one goes before what it says to all. */
function forUs(response: CacheResponse): CacheResponse {
  const headers = { ...response.headers };
  for (const name of personal) delete headers[name];
  const targeted = headers['cdn-cache-control'];
  if (targeted === undefined) return { ...response, headers };
  const { expires: _expires, pragma: _pragma, ...rest } = headers;
  return { ...response, headers: { ...rest, 'cache-control': targeted } };
}

function varyMatches(policy: CachePolicy, request: CacheRequest): boolean {
  const { resh, reqh } = policy.toObject();
  const names = (resh['vary']?.toString() ?? '').split(',').map((name) => name.trim().toLowerCase());
  return names.filter(Boolean).every((name) => reqh?.[name]?.toString() === request.headers[name]?.toString());
}
