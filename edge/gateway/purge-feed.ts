import type { Ids } from '#kit/runtime';

/** What a cache further out has to forget since it last asked. */
export interface Purges {
  /** To be given the next time. */
  readonly cursor: string;
  /** Too long ago, or of another gateway: forget everything that was tagged. */
  readonly all: boolean;
  readonly tags: readonly string[];
}

export interface PurgeFeed {
  add(tags: readonly string[]): void;
  after(cursor: string | undefined): Purges;
}

const purgesMax = 2_000;

/** The latest purges in order, for whoever keeps replies of this gateway and asks now and then. */
export function createPurgeFeed(ids: Ids): PurgeFeed {
  const name = ids.next('feed');
  let purges: (readonly string[])[] = [];
  /** Purges that were forgotten. */
  let before = 0;
  return {
    add(tags) {
      purges.push(tags);
      if (purges.length <= purgesMax) return;
      before += purges.length - purgesMax / 2;
      purges = purges.slice(-purgesMax / 2);
    },
    after(cursor) {
      const next = before + purges.length;
      const [of = '', at = ''] = (cursor ?? '').split('.');
      const from = Number(at) - before;
      const isKnown = of === name && at !== '' && from >= 0 && from <= purges.length;
      const tags = isKnown ? [...new Set(purges.slice(from).flat())] : [];
      return { cursor: `${name}.${next}`, all: !isKnown, tags };
    },
  };
}
