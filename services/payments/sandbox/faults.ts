import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Random } from '#kit/runtime';
import type { Operation } from './ledger-types.ts';

const calls = Type.Union([
  Type.Literal('create'),
  Type.Literal('confirm'),
  Type.Literal('capture'),
  Type.Literal('cancel'),
  Type.Literal('refund'),
  Type.Literal('read'),
]);

/** When a fault strikes: the next n calls, or each call with a probability, or (neither given) every call. */
const when = {
  next: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  probability: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
};
const call = { ...when, on: Type.Optional(calls) };
const delayMs = Type.Integer({ minimum: 0, maximum: 86_400_000 });

/**
 * drop-reply    the call takes effect, then the connection breaks: charged, but the caller never hears of it
 * drop-request  the connection breaks before the call takes effect
 * stall         the call waits `ms` before or after its effect
 * error         5xx before the effect (nothing stored) or after it (the 5xx is stored under the key, as Stripe does)
 * decline       a create or confirm is declined with `code`
 * search-lag    search does not see intents younger than `ms` (at Stripe: under a minute as a rule)
 * webhook-*     deliveries happen twice, late by `ms`, or after the next event
 */
const faultSchema = Type.Union([
  Type.Object({ do: Type.Literal('drop-reply'), ...call }, { additionalProperties: false }),
  Type.Object({ do: Type.Literal('drop-request'), ...call }, { additionalProperties: false }),
  Type.Object(
    {
      do: Type.Literal('stall'),
      ms: delayMs,
      at: Type.Union([Type.Literal('before'), Type.Literal('after')]),
      ...call,
    },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      do: Type.Literal('error'),
      status: Type.Integer({ minimum: 500, maximum: 599 }),
      at: Type.Union([Type.Literal('before'), Type.Literal('after')]),
      ...call,
    },
    { additionalProperties: false },
  ),
  Type.Object(
    { do: Type.Literal('decline'), code: Type.String({ pattern: '^[a-z_]{1,40}$' }), ...when },
    { additionalProperties: false },
  ),
  Type.Object({ do: Type.Literal('search-lag'), ms: delayMs }, { additionalProperties: false }),
  Type.Object({ do: Type.Literal('webhook-twice'), ...when }, { additionalProperties: false }),
  Type.Object({ do: Type.Literal('webhook-late'), ms: delayMs, ...when }, { additionalProperties: false }),
  Type.Object({ do: Type.Literal('webhook-out-of-order'), ...when }, { additionalProperties: false }),
]);

export type Fault = Static<typeof faultSchema>;
export const faultsMax = 100;
const faultsSchema = Type.Array(faultSchema, { maxItems: faultsMax });
const checkFaults = Compile(faultsSchema);

/** What strikes one call. All fields undefined: nothing. */
export interface CallFaults {
  readonly declineCode: string | undefined;
  readonly stallBeforeMs: number;
  readonly stallAfterMs: number;
  readonly errorBefore: number | undefined;
  readonly errorAfter: number | undefined;
  readonly dropRequest: boolean;
  readonly dropReply: boolean;
}

export interface WebhookFaults {
  readonly twice: boolean;
  readonly lateMs: number;
  readonly outOfOrder: boolean;
}

/** The faults in force. The same faults, random source and calls give the same strikes. */
export interface Faults {
  /** Replaces all faults. Throws a sentence that names what is wrong. */
  set(faults: readonly Fault[]): void;
  /** The faults in force; `next` counts down, and a spent fault is gone. */
  current(): readonly Fault[];
  /** Draws for one call; undefined when nothing strikes. */
  draw(operation: Operation | 'read'): CallFaults | undefined;
  drawWebhook(): WebhookFaults | undefined;
  readonly searchLagMs: number;
}

export function createFaults(random: Random): Faults {
  let active: { fault: Fault; left: number | undefined }[] = [];
  let searchLagMs = 0;

  function strikes(entry: (typeof active)[number]): boolean {
    const { fault } = entry;
    if (fault.do === 'search-lag') return false;
    if (fault.probability !== undefined && random.next() >= fault.probability) return false;
    if (entry.left === undefined) return true;
    entry.left--;
    if (entry.left === 0) active = active.filter((other) => other !== entry);
    return true;
  }

  return {
    set(faults) {
      if (!checkFaults.Check(faults)) throw new Error(`sandbox faults: ${explain(faults)}`);
      active = faults.map((fault) => ({ fault, left: fault.do === 'search-lag' ? undefined : fault.next }));
      searchLagMs = Math.max(0, ...faults.map((fault) => (fault.do === 'search-lag' ? fault.ms : 0)));
    },
    current: () => active.map(({ fault, left }) => (left === undefined ? fault : { ...fault, next: left })),
    draw(operation) {
      if (active.length === 0) return undefined;
      let drawn: { -readonly [K in keyof CallFaults]: CallFaults[K] } | undefined;
      for (const entry of active) {
        const { fault } = entry;
        if (!concerns(fault, operation) || !strikes(entry)) continue;
        drawn ??= noCallFaults();
        if (fault.do === 'drop-reply') drawn.dropReply = true;
        if (fault.do === 'drop-request') drawn.dropRequest = true;
        if (fault.do === 'decline') drawn.declineCode = fault.code;
        if (fault.do === 'stall') drawn[fault.at === 'before' ? 'stallBeforeMs' : 'stallAfterMs'] += fault.ms;
        if (fault.do === 'error') drawn[fault.at === 'before' ? 'errorBefore' : 'errorAfter'] = fault.status;
      }
      return drawn;
    },
    drawWebhook() {
      let drawn: { -readonly [K in keyof WebhookFaults]: WebhookFaults[K] } | undefined;
      for (const entry of active) {
        const { fault } = entry;
        if (!fault.do.startsWith('webhook-') || !strikes(entry)) continue;
        drawn ??= { twice: false, lateMs: 0, outOfOrder: false };
        if (fault.do === 'webhook-twice') drawn.twice = true;
        if (fault.do === 'webhook-late') drawn.lateMs += fault.ms;
        if (fault.do === 'webhook-out-of-order') drawn.outOfOrder = true;
      }
      return drawn;
    },
    get searchLagMs() {
      return searchLagMs;
    },
  };
}

function concerns(fault: Fault, operation: Operation | 'read'): boolean {
  if (fault.do === 'decline') return operation === 'create' || operation === 'confirm';
  if (fault.do === 'search-lag' || fault.do.startsWith('webhook-')) return false;
  const on = 'on' in fault ? fault.on : undefined;
  // A fault for "every call" leaves reads alone: reconciliation must be testable while payments fail.
  return on === undefined ? operation !== 'read' : on === operation;
}

const noCallFaults = () => ({
  declineCode: undefined as string | undefined,
  stallBeforeMs: 0,
  stallAfterMs: 0,
  errorBefore: undefined as number | undefined,
  errorAfter: undefined as number | undefined,
  dropRequest: false,
  dropReply: false,
});

function explain(faults: unknown): string {
  if (!Array.isArray(faults)) return 'expected an array of faults';
  if (faults.length > faultsMax) return `at most ${faultsMax} faults`;
  const at = faults.findIndex((fault) => !checkFaults.Check([fault]));
  const names = faultSchema.anyOf.map((schema) => schema.properties.do.const).join(', ');
  return `[${at}] ${JSON.stringify(faults[at])} is not a fault; known: ${names} (fields: README.md, "Faults")`;
}
