import { type Product, type ProductCard, type ProductEventType, productEventTypes } from '#contracts/products';
import { type Cache, type CacheStore, createCache, createMemoryStore, type Life } from '#kit/cache';
import { decodeCaller, headerNames } from '#kit/contract';
import { createTail, type EventEnvelope, type EventLog } from '#kit/messaging';
import type { Component, Reply, Request, World } from '#kit/runtime';
import { createPurgeFeed, type PurgeFeed } from './purge-feed.ts';

export interface RepliesOptions {
  readonly world: World;
  /** Default: this process's memory, 32 MiB. */
  readonly store?: CacheStore;
  /** Whose events end cached replies. */
  readonly events: EventLog;
  /** Default 5 minutes. Events end most replies sooner; longer spares the services what no event tells of. */
  readonly ttlMs?: number;
  /** How long a reply may be answered while the next one is fetched, or while none can be had. Default 10 minutes. */
  readonly staleMs?: number;
  /**
   * How long a cache further out may keep them without asking, said by CDN-Cache-Control (RFC 9213). Default: it has to ask each
   * time, and gets 304. Only for one that follows `purges`, or where a price that is so old may be shown.
   */
  readonly edgeTtlSec?: number;
}

export interface CachedReplies {
  readonly component: Component;
  /** What a cache further out has to forget. */
  readonly purges: PurgeFeed['after'];
  /** The reply of a cacheable request; undefined for all others. */
  answer(request: Request, fetch: (request: Request) => Promise<Reply>): Promise<Reply> | undefined;
}

interface Rule {
  readonly life: Life;
  readonly tagsOf: (body: unknown) => readonly string[];
}

const productTag = (id: string): string => `product-${id}`;
const listTag = 'products';

/** Availability in lists follows stock, which no event of products tells: so lists live shorter than products. */
const listTtlMs = 5_000;

/**
 * Replies that are the same for everybody, kept for all who ask: products and lists of them. Staff see drafts, so their reads
 * go through. Only what is shown passes here: orders asks products itself for prices. Each reply names its tags in
 * `cache-tag`, by which a cache further out can be purged too, and its age in `age`.
 */
export function createCachedReplies(options: RepliesOptions): CachedReplies {
  const { world, events, ttlMs = 300_000, staleMs = 600_000, store = createMemoryStore(world) } = options;
  const cache: Cache = createCache({ ...world, store });
  const feed = createPurgeFeed(world.ids);
  const { edgeTtlSec = 0 } = options;
  const forEdge: Readonly<Record<string, string>> =
    edgeTtlSec > 0
      ? { 'cdn-cache-control': `max-age=${edgeTtlSec}, stale-if-error=${Math.floor(staleMs / 1_000)}` }
      : {};
  const list: Rule = { life: { ttlMs: Math.min(listTtlMs, ttlMs), staleMs }, tagsOf: tagsOfList };
  const rules: Readonly<Record<string, Rule>> = {
    'products.get': { life: { ttlMs, staleMs }, tagsOf: (body) => [productTag((body as Product).id)] },
    'products.search': list,
    'products.categories': { ...list, tagsOf: () => [listTag] },
  };

  function answer(request: Request, fetch: (request: Request) => Promise<Reply>): Promise<Reply> | undefined {
    const rule = rules[`${request.service}.${request.operation}`];
    if (!rule) return undefined;
    const { kind } = decodeCaller(request.headers[headerNames.caller]);
    if (kind !== 'anonymous' && kind !== 'customer') return undefined;
    return read(request, rule, fetch);
  }

  async function read(request: Request, rule: Rule, fetch: (request: Request) => Promise<Reply>): Promise<Reply> {
    // Each asks for the whole: whether the client has it already is looked at when the reply goes out.
    const { 'if-none-match': _tag, 'if-modified-since': _time, ...headers } = request.headers;
    const { value, ageMs, from } = await cache.read<Reply>(keyOf(request), rule.life, async () => {
      const reply = await fetch({ ...request, headers });
      const keep = reply.status === 200;
      const tags = keep ? rule.tagsOf(reply.body) : [];
      const told = { ...reply.headers, 'cache-tag': tags.join(','), ...forEdge };
      const value = tags.length > 0 ? { ...reply, headers: told } : reply;
      return { value, keep, tags };
    });
    return from === 'load'
      ? value
      : { ...value, headers: { ...value.headers, age: String(Math.floor(ageMs / 1_000)) } };
  }

  const tail = createTail({
    name: 'cached replies',
    topics: ['products'],
    log: events,
    world,
    async handler(batch) {
      const tags = tagsOfEvents(batch);
      if (tags.length === 0) return;
      await cache.purge(tags);
      // After our own: whoever asks because of it must not get what we still had.
      feed.add(tags);
    },
  });
  return { answer, purges: feed.after, component: { ...tail, name: 'cached replies' } };
}

/** Who asks matters to none of these replies; where and how far they are asked does. */
function keyOf({ service, operation, params, query }: Request): string {
  const sorted = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${service}.${operation} ${JSON.stringify([params, sorted])}`;
}

function tagsOfList(body: unknown): readonly string[] {
  return [listTag, ...(body as { items: readonly ProductCard[] }).items.map(({ id }) => productTag(id))];
}

function tagsOfEvents(events: readonly EventEnvelope[]): string[] {
  const ours = events.filter(({ type }) => productEventTypes.includes(type as ProductEventType));
  return ours.length === 0 ? [] : [listTag, ...ours.map(({ subject }) => productTag(subject))];
}
