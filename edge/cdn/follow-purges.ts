import { request } from 'undici';
import { createLoop } from '#kit/messaging';
import type { Component, World } from '#kit/runtime';
import type { Cdn } from './index.ts';

export interface FollowPurgesOptions {
  readonly world: World;
  readonly cdn: Pick<Cdn, 'purge' | 'purgeAll'>;
  /** Of a gateway's internal door: `http://127.0.0.1:4081/purges`. Every gateway tells the same. */
  readonly url: string;
  /** How long a change may go unseen here. Default 1,000 ms. */
  readonly pollMs?: number;
}

const timeoutMs = 2_000;

/** Asks a gateway what to forget. Another gateway, or one that started anew, doesn't know where we were: then it is everything. */
export function followPurges({ world, cdn, url, pollMs = 1_000 }: FollowPurgesOptions): Component {
  const { clock, timers, random, log } = world;
  let cursor: string | undefined;
  const loop = createLoop({
    name: 'purges',
    clock,
    timers,
    random,
    log,
    pollMs,
    turn: async () => {
      const asked = cursor === undefined ? url : `${url}?after=${encodeURIComponent(cursor)}`;
      const { statusCode, body } = await request(asked, { headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
      if (statusCode !== 200) {
        await body.dump();
        throw new Error(`${url} answers ${statusCode}: is it the internal door of a gateway that caches?`);
      }
      const told = (await body.json()) as { cursor: string; all: boolean; tags: readonly string[] };
      if (told.all && cursor !== undefined) cdn.purgeAll();
      else cdn.purge(told.tags);
      cursor = told.cursor;
      return 'idle';
    },
  });
  return {
    name: 'purges',
    async start() {
      loop.start();
    },
    stop: () => loop.stop(),
  };
}
