import { contractProblems } from '#kit/contract';
import { type Claim, type ClaimState, claimKeys, claimNewKeys, completeKeys } from '#kit/idempotency';
import type { EventCause, EventDraft, LogicalClock } from '#kit/messaging';
import type { Transaction } from '#kit/runtime';
import { insertSagas, SagaFenced, type SagaRecord, type SagaWrite, writeOwnSagas, writeSagas } from '#kit/saga';
import { allWritten, isInexact, isUniqueViolation, Overtaken, type Verdict } from '#kit/store';
import { type Fulfilment, fulfil } from './fulfil.ts';
import {
  type Change,
  changeOf,
  type Decision,
  decide,
  eventOf,
  finishChange,
  importedChange,
  isSameImport,
  type OrderRecord,
  startChange,
} from './model.ts';
import type { OrderRecall, Standing } from './recall.ts';
import { decideOrders, findImported, insertOrders, lockOrders, updateOrders, updateShipments } from './store.ts';
import { viewOf } from './view.ts';

export interface ChangeRequest {
  readonly orderId: string;
  readonly change: Change;
  /** Makes the saga that carries the change out, once it is known what it takes. */
  readonly makeSaga: (order: OrderRecord, refundMinor: number) => SagaRecord;
}

export type Command =
  | {
      readonly kind: 'place';
      readonly claim: Claim;
      readonly order: OrderRecord;
      readonly saga: SagaRecord;
      readonly cause: EventCause;
    }
  /** Says no under a key, so that nobody else is told yes under it. */
  | { readonly kind: 'refuse'; readonly claim: Claim; readonly refusal: Replay }
  | { readonly kind: 'progress'; readonly saga: SagaRecord }
  | {
      readonly kind: 'decide';
      readonly saga: SagaRecord;
      readonly orderId: string;
      readonly decision: Decision;
      readonly atMs: number;
      readonly cause: EventCause;
    }
  | (ChangeRequest & { readonly kind: 'start-change'; readonly claim: Claim })
  | {
      readonly kind: 'fulfil';
      readonly claim: Claim;
      readonly orderId: string;
      readonly fulfilment: Fulfilment;
      readonly cause: EventCause;
    }
  | {
      readonly kind: 'finish-change';
      readonly saga: SagaRecord;
      readonly orderId: string;
      readonly change: { readonly kind: Change['kind']; readonly changeId: string };
      readonly refundMinor: number;
      readonly claim: Pick<Claim, 'scope' | 'key'>;
      readonly cause: EventCause;
    };

/** `saga`: work was accepted, run it. `replay`: the answer that the first request got. `waiting`: it is not ended yet. */
export type CommandResult =
  | { readonly saga: SagaRecord; readonly order: OrderRecord }
  | { readonly replay: Replay }
  | { readonly waitFor: string | undefined }
  | { readonly order: OrderRecord }
  | { readonly done: true };

export interface Replay {
  readonly status: number;
  readonly body: unknown;
}

export type Claiming = Extract<Command, { kind: 'place' | 'refuse' | 'start-change' | 'fulfil' }>;
type Progressing = Exclude<Command, Claiming>;

export type Publish = (tx: Transaction, events: readonly EventDraft[]) => Promise<void>;

export interface Publishing {
  readonly publish: Publish;
  /** Stamps events. Without it they have no logical time of their own, and `publish` may give them one. */
  readonly logicalClock?: LogicalClock | undefined;
}

export interface ApplyContext extends Publishing {
  /** Without it every batch reads and locks what it is decided on. */
  readonly recall?: OrderRecall;
}

/**
 * Applies a batch in one transaction. An order, the key it was placed under, its saga and its event are one fact, and
 * so are a decision, the saga's progress, the answer to repeats and the event that tells of it.
 */
export async function applyCommands(
  tx: Transaction,
  { recall, ...publishing }: ApplyContext,
  commands: readonly Command[],
): Promise<Verdict<CommandResult>[]> {
  const recalled = recall?.take(commands);
  try {
    return await decideAndWrite(tx, publishing, commands, recalled ?? (await readStanding(tx, commands)), !!recalled);
  } catch (error) {
    if (!recalled) throw error;
    recall?.doubt(commands);
    const wasOvertaken = isInexact(error) || isUniqueViolation(error);
    throw wasOvertaken ? new Overtaken('a key, a saga or an order was not as this process knew it') : error;
  }
}

/** Reads and locks what the commands are decided on, and claims their keys. */
async function readStanding(tx: Transaction, commands: readonly Command[]): Promise<Standing> {
  const claiming = commands.filter(isClaiming);
  const progressing = commands.filter(isProgressing);
  // Sent together: what turns out not to be needed costs less than another round trip.
  const [claims, holds, orders, imported] = await Promise.all([
    claimKeys(tx, claimsOf(claiming)),
    writeSagas(tx, sagasOf(progressing)),
    lockOrders(tx, ordersToLock(commands)),
    findImported(tx, importsToLookUp(claiming)),
  ]);
  return {
    claims: new Map(claiming.map((command, i) => [command, claims[i] as ClaimState])),
    progress: new Map(progressing.map((command, i) => [command, holds[i] as SagaWrite])),
    orders,
    imported: new Map(imported.map((order) => [order.businessKey, order])),
  };
}

async function decideAndWrite(
  tx: Transaction,
  { publish, logicalClock }: Publishing,
  commands: readonly Command[],
  standing: Standing,
  isRecalled: boolean,
): Promise<Verdict<CommandResult>[]> {
  const { claims, progress, imported } = standing;
  const before = new Map(standing.orders.map((order) => [order.id, order]));
  const current = new Map(before);
  const newOrders: OrderRecord[] = [];
  const newSagas: SagaRecord[] = [];
  const events: EventDraft[] = [];
  const completions: { scope: string; key: string; result: unknown }[] = [];

  const verdicts = commands.map((command): Verdict<CommandResult> => {
    try {
      return { ok: apply(command) };
    } catch (error) {
      return { error };
    }
  });

  function apply(command: Command): CommandResult {
    switch (command.kind) {
      case 'place':
        return claimed(command, () => {
          const known = command.order.channel === 'import' ? imported.get(command.order.businessKey) : undefined;
          if (known) return answerAgain(command, known, 201);
          const order = told('order.received', command.order, command.cause);
          newOrders.push(order);
          return { order, saga: command.saga };
        });
      case 'refuse':
        return claimed(command, () => {
          completions.push({ scope: command.claim.scope, key: command.claim.key, result: command.refusal });
          return { replay: command.refusal };
        });
      case 'start-change':
        return claimed(command, () => {
          const order = orderOf(command.orderId);
          const known = importedChange(order, command.change);
          if (known === 'pending') throw contractProblems['idempotency-key-in-flight']();
          if (known === 'done') return answerAgain(command, order, 200);
          const started = startChange(order, command.change);
          current.set(command.orderId, started.order);
          return { order: started.order, saga: command.makeSaga(started.order, started.refundMinor) };
        });
      case 'fulfil':
        return claimed(command, () => ({ replay: fulfilled(command) }));
      default:
        if (progress.get(command) === 'fenced') throw new SagaFenced(command.saga.id);
        // Where the progress stands from before, so does all that was written with it.
        if (progress.get(command) === 'written') {
          if (command.kind === 'decide') settle(command);
          else if (command.kind === 'finish-change') finish(command);
        }
        return command.kind === 'progress' ? { done: true } : { order: orderOf(command.orderId) };
    }
  }

  /** The first with a key does the work; everyone else gets its answer, or is told to wait for it. */
  function claimed(
    command: Claiming,
    work: () => { order: OrderRecord; saga: SagaRecord } | { replay: Replay },
  ): CommandResult {
    const claim = claims.get(command);
    if (claim?.state === 'mismatch') throw contractProblems['idempotency-key-reused']();
    if (claim?.state === 'done') return { replay: claim.result as Replay };
    if (claim?.state === 'in-flight') {
      // Its twin of this very batch has done it already.
      const twin = completions.find(({ scope, key }) => scope === command.claim.scope && key === command.claim.key);
      if (twin) return { replay: twin.result as Replay };
      // Our own: it was committed, but the answer to that was lost. There is nobody to wait for but us.
      const isOurs = command.kind === 'place' && claim.reference === command.order.id;
      return isOurs ? { order: command.order, saga: command.saga } : { waitFor: claim.reference };
    }
    const result = work();
    if ('saga' in result) newSagas.push(result.saga);
    return result;
  }

  /** The key is new to us only because the answer to its first use has been forgotten. */
  function answerAgain(command: Claiming, known: OrderRecord, status: number): { replay: Replay } {
    if (command.kind === 'place' && !isSameImport(known, command.order)) {
      throw contractProblems['idempotency-key-reused']();
    }
    if (known.state === 'received') throw contractProblems['idempotency-key-in-flight']();
    const replay = { status, body: viewOf(known) };
    completions.push({ scope: command.claim.scope, key: command.claim.key, result: replay });
    return { replay };
  }

  function fulfilled(command: Extract<Command, { kind: 'fulfil' }>): Replay {
    const { claim, fulfilment, cause } = command;
    const next = fulfil(orderOf(command.orderId), fulfilment);
    const [type, { key, occurredAt }] =
      fulfilment.kind === 'fulfil'
        ? (['order.fulfilled', fulfilment.shipment] as const)
        : (['order.completed', fulfilment] as const);
    const shipment = fulfilment.kind === 'fulfil' ? next.shipments?.at(-1) : undefined;
    const data = eventOf(next, { change: { key, occurredAt }, ...(shipment ? { shipment } : {}) });
    current.set(next.id, told(type, next, cause, { id: `evt_${claim.reference}`, data }));
    const replay = { status: 200, body: viewOf(next) };
    completions.push({ scope: claim.scope, key: claim.key, result: replay });
    return replay;
  }

  function settle(command: Extract<Command, { kind: 'decide' }>): void {
    const order = orderOf(command.orderId);
    const next = decide(order, command.decision, command.atMs);
    if (next === order) return;
    current.set(order.id, told(next.state === 'confirmed' ? 'order.confirmed' : 'order.refused', next, command.cause));
    completions.push({ scope: next.scope, key: next.businessKey, result: { status: 201, body: viewOf(next) } });
  }

  function finish(command: Extract<Command, { kind: 'finish-change' }>): void {
    const order = orderOf(command.orderId);
    const next = finishChange(order, command.change);
    const types = { cancel: 'order.cancelled', return: 'order.returned', refund: 'order.refunded' } as const;
    const { refundMinor } = command;
    const data = eventOf(next, { refundMinor, ...changeOf(next, command.change.changeId) });
    const id = `evt_${command.saga.id}`;
    current.set(order.id, told(types[command.change.kind], next, command.cause, { id, data }));
    completions.push({ ...command.claim, result: { status: 200, body: viewOf(next) } });
  }

  /** Puts down the event, and in the order when that was: instances share no other clock than the order's own row. */
  function told(type: string, order: OrderRecord, cause: EventCause, more?: Partial<EventDraft>): OrderRecord {
    const hlc = logicalClock?.tick(order.hlc ?? undefined);
    events.push({ ...eventDraft(type, order, cause), ...more, hlc });
    return hlc === undefined ? order : { ...order, hlc };
  }

  function orderOf(id: string): OrderRecord {
    const order = current.get(id);
    if (!order) throw contractProblems['not-found']({ detail: `no order ${id}` });
    return order;
  }

  // A change that was refused must leave no claim behind, so that its key may be used again once the cause is gone: the
  // batch fails, and the writer narrows it down until the culprit stands alone.
  const refused = verdicts.find(
    (verdict, i) => 'error' in verdict && claims.get(commands[i] as Command)?.state === 'claimed',
  );
  if (refused && 'error' in refused) throw refused.error;

  const changed = [...current.values()].filter((order) => before.get(order.id) !== order);
  const writes = [
    isRecalled ? claimNewKeys(tx, claimsOf(commands.filter(isClaiming))) : undefined,
    isRecalled ? writeOwnSagas(tx, sagasOf(commands.filter(isProgressing))) : undefined,
    insertOrders(tx, newOrders),
    isRecalled ? decideOrders(tx, changed) : updateOrders(tx, changed),
    updateShipments(
      tx,
      changed.filter((order) => order.shipments !== before.get(order.id)?.shipments),
    ),
    insertSagas(tx, newSagas),
    completeKeys(tx, completions),
    events.length > 0 ? publish(tx, events) : undefined,
  ];
  tx.seal();
  await allWritten(writes);
  return verdicts;
}

function isClaiming(command: Command): command is Claiming {
  return 'claim' in command && command.kind !== 'finish-change';
}

const isProgressing = (command: Command): command is Progressing => !isClaiming(command);

const claimsOf = (commands: readonly Claiming[]) => commands.map(({ claim }) => claim);

const sagasOf = (commands: readonly Progressing[]) => commands.map(({ saga }) => saga);

function importsToLookUp(claiming: readonly Claiming[]): string[] {
  return claiming.flatMap((command) =>
    command.kind === 'place' && command.order.channel === 'import' ? [command.order.businessKey] : [],
  );
}

function ordersToLock(commands: readonly Command[]): string[] {
  const ids = commands.flatMap((command) => ('orderId' in command ? [command.orderId] : []));
  return [...new Set(ids)].sort();
}

/** One event of a kind an order, ever: its id is made from the two, so a repeat of the transaction makes no second one. */
export function eventDraft(type: string, order: OrderRecord, context: EventCause): EventDraft {
  return {
    id: `evt_${type}_${order.id}`,
    type,
    key: order.id,
    data: eventOf(order),
    businessKey: order.businessKey,
    context,
  };
}
