import type { CallContext, Caller } from '#kit/contract';
import type { Timers } from '#kit/runtime';
import type { Ask } from '../errand.ts';
import type { Outcome } from '../history.ts';
import type { Services } from '../people.ts';
import type { Errand } from '../plan.ts';
import type { Simulation } from '../simulation.ts';
import { correlationAtDoor } from './wire.ts';

/** What a program knows for sure of its API key. */
export interface KeyStory {
  readonly keyId: string;
  readonly key: string;
  /** Of all its requests. */
  readonly correlationId: string;
  /** True time from which on it was revoked for sure. Undefined: it never was. */
  revokedAtMs: number | undefined;
  /** Each use, and when it began. */
  readonly uses: { readonly startMs: number; readonly endMs: number; readonly was: 'served' | 'refused' | 'unknown' }[];
  /** Answers to what the key was not made for. */
  readonly trespasses: number[];
}

export interface ProgramErrandOptions {
  readonly simulation: Simulation;
  readonly timers: Timers;
  /** As an admin. */
  readonly ask: Ask;
  /** Once, as whoever carries that key. */
  readonly attempt: (errand: Errand, kind: string, key: string, send: Send) => Promise<Outcome>;
  readonly book: KeyStory[];
  readonly secrets: Set<string>;
}

type Send = (services: Services, context: CallContext) => Promise<{ status: number; body: unknown }>;

const untilCalmMs = 500;
const waitsMax = 200;
/** Longer than a key is taken on trust after it was looked up, with the database there. */
const afterCalmMs = 3_000;

/** An admin makes a key; a program works with it, tries what it is not for, and goes on when the key has been revoked. */
export function createProgramErrand({ simulation, timers, ask, attempt, book, secrets }: ProgramErrandOptions) {
  type Wanted = Extract<Errand, { kind: 'program' }>;

  async function use(errand: Wanted, story: KeyStory): Promise<void> {
    const startMs = simulation.world.nowMs;
    const outcome = await attempt(errand, 'program.use', story.key, ({ inventory }, context) =>
      inventory.availability({ query: { sku: ['SKU-1'] } }, context),
    );
    const was = outcome.status < 300 ? 'served' : outcome.status === 401 ? 'refused' : 'unknown';
    story.uses.push({ startMs, endMs: simulation.world.nowMs, was });
    await timers.sleep(errand.restMs);
  }

  async function trespass(errand: Wanted, story: KeyStory): Promise<void> {
    const { status } = await attempt(errand, 'program.trespass', story.key, ({ orders }, context) =>
      orders.listSagas({ query: {} }, context),
    );
    story.trespasses.push(status);
  }

  return async function work(errand: Wanted): Promise<void> {
    const body = { name: `program ${errand.id}`, operations: ['inventory.*'] };
    const made = await ask<{ key: string; id: string }>(errand, 'program.key', ({ gateway }, context) =>
      gateway.createApiKey({ body }, context),
    );
    if (!made) return;
    const correlationId = correlationAtDoor(errand.id);
    const story: KeyStory = {
      ...{ keyId: made.id, key: made.key, correlationId },
      ...{ revokedAtMs: undefined, uses: [], trespasses: [] },
    };
    book.push(story);
    secrets.add(made.key);
    for (let i = 0; i < errand.usesBefore; i++) await use(errand, story);
    await trespass(errand, story);
    const goesOn = (async () => {
      for (let i = 0; i < errand.usesBefore; i++) await use(errand, story);
    })();
    const revoked = await ask(errand, 'program.revoke', ({ gateway }, context) =>
      gateway.revokeApiKey({ params: { keyId: made.id } }, context),
    );
    if (revoked) story.revokedAtMs = simulation.world.nowMs;
    for (let i = 0; i < errand.usesAfter; i++) await use(errand, story);
    await goesOn;
    for (let i = 0; i < waitsMax && simulation.faultsOn; i++) await timers.sleep(untilCalmMs);
    await timers.sleep(afterCalmMs);
    await use(errand, story);
  };
}

const beginOfPrograms = 'staff:program:';

/** Who a program is to those who hand its requests on: the key says the rest. */
export const programOf = (key: string): Caller => ({ kind: 'staff', id: `program:${key}` });

/** Undefined: it is no program. */
export const keyOfProgram = (caller: string): string | undefined =>
  caller.startsWith(beginOfPrograms) ? caller.slice(beginOfPrograms.length) : undefined;
