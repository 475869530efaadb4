import type { users } from '#contracts/users';
import type { CallContext, Client } from '#kit/contract';
import { createLoop } from '#kit/messaging';
import type { Component, World } from '#kit/runtime';
import type { Identity } from './tokens.ts';

export interface EndedSessionsOptions {
  readonly world: World;
  readonly users: Pick<Client<typeof users>, 'endedSessions'>;
  readonly context: () => CallContext;
  /** How long an access token lives, with the tolerance of clocks: nobody needs to remember longer. Default 910 s. */
  readonly tokenLifeSec?: number;
  /** How often users is asked: as long a token may go on after its session ended elsewhere. Default 1,000 ms. */
  readonly pollMs?: number;
  /** Sessions remembered at most; beyond, the oldest are forgotten and logged. Default 200,000, some 20 MB. */
  readonly rememberedMax?: number;
}

export interface EndedSessions {
  readonly component: Component;
  has(identity: Identity): boolean;
  /** Asks at once: whoever signs out here is out when the answer arrives. */
  refresh(): Promise<void>;
}

/** Overlap of two questions, for commits that came late and clocks that differ. */
const overlapSec = 15;

/**
 * An access token says nothing of a session that ended after it was issued. So each door asks users which sessions ended, all
 * of a token's life at first and the last moments from then on, and refuses their tokens. While users is away it goes on with
 * what it knows: who can't be asked can't have ended a session either.
 */
export function createEndedSessions(options: EndedSessionsOptions): EndedSessions {
  const { world, users, context, tokenLifeSec = 910, pollMs = 1_000, rememberedMax = 200_000 } = options;
  const { clock, timers, random, log } = world;
  /** Until when each is remembered, the oldest first. */
  const ended = new Map<string, number>();
  let askedAtMs: number | undefined;
  let asking: Promise<void> | undefined;

  function remember(sessionIds: readonly string[], nowMs: number): void {
    for (const id of sessionIds) if (!ended.has(id)) ended.set(id, nowMs + tokenLifeSec * 1_000);
    for (const [id, untilMs] of ended) {
      if (untilMs > nowMs && ended.size <= rememberedMax) break;
      if (untilMs > nowMs) log.warn('more sessions ended than are remembered: their tokens live on', { rememberedMax });
      ended.delete(id);
    }
  }

  async function ask(): Promise<void> {
    const nowMs = clock.monotonicMs();
    const sinceSec = askedAtMs === undefined ? tokenLifeSec : Math.ceil((nowMs - askedAtMs) / 1_000) + overlapSec;
    const { body } = await users.endedSessions({ query: { seconds: Math.min(sinceSec, tokenLifeSec) } }, context());
    askedAtMs = nowMs;
    remember(body.sessionIds, nowMs);
  }

  const loop = createLoop({
    name: 'ended sessions',
    clock,
    timers,
    random,
    log,
    pollMs,
    turn: async () => {
      await ask();
      return 'idle';
    },
  });

  return {
    has: ({ sessionId }) => sessionId !== undefined && ended.has(sessionId),
    async refresh() {
      // One that is under way may have been asked before the session ended.
      await asking;
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      await asking.catch((error) => log.warn('users does not tell which sessions ended, asking again', { error }));
    },
    component: {
      name: 'ended sessions',
      async start() {
        loop.start();
      },
      stop: () => loop.stop(),
    },
  };
}

/** Operations of users after which a session may have ended. */
export const endsSessions: ReadonlySet<string> = new Set([
  'signOut',
  'signOutEverywhere',
  'endSession',
  'changePassword',
  'resetPassword',
]);
