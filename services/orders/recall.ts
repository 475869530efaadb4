import type { ClaimState } from '#kit/idempotency';
import type { SagaWrite } from '#kit/saga';
import { createRecall, type Recall } from '#kit/store';
import type { Claiming, Command, CommandResult } from './commands.ts';
import type { OrderRecord } from './model.ts';

/** What a batch is decided on. */
export interface Standing {
  readonly claims: ReadonlyMap<Command, ClaimState>;
  readonly progress: ReadonlyMap<Command, SagaWrite>;
  readonly orders: readonly OrderRecord[];
  /** Imported orders by their keys. */
  readonly imported: ReadonlyMap<string, OrderRecord>;
}

/** What this process knows of the work it has under way, so that a batch of the usual steps need not ask first. */
export interface OrderRecall {
  /** Whether this command could be decided on recalled rows just now: those that can't are better off by themselves. */
  knows(command: Command): boolean;
  /** Undefined unless every command takes the usual way: a new key is placed, a saga goes on, an order is decided once. */
  take(commands: readonly Command[]): Standing | undefined;
  /** To be told what came of a command, once that is committed. */
  committed(command: Command, result: CommandResult): void;
  /** Something in this batch was not as expected, or may be committed although nobody was told. */
  doubt(commands: readonly Command[]): void;
}

export function createOrderRecall(): OrderRecall {
  /** Orders that were received and not decided. */
  const orders: Recall<OrderRecord> = createRecall();
  /** Keys used lately, and sagas that may be someone else's. */
  const used: Recall<object> = createRecall();
  const keyOf = ({ claim: { scope, key } }: Claiming) => `${scope.length}:${scope}${key}`;

  const isNew = (name: string) => used.get(name) === undefined && !used.isDoubted(name);

  /** The key or the saga of a command; undefined: it is never recalled. */
  function nameOf(command: Command): string | undefined {
    if (command.kind === 'place') return keyOf(command);
    return command.kind === 'progress' || command.kind === 'decide' ? command.saga.id : undefined;
  }

  function knows(command: Command): boolean {
    const name = nameOf(command);
    if (name === undefined || !isNew(name)) return false;
    return command.kind !== 'decide' || orders.get(command.orderId) !== undefined;
  }

  return {
    knows,
    take(commands) {
      const names = new Set<string>();
      const claims = new Map<Command, ClaimState>();
      const progress = new Map<Command, SagaWrite>();
      const known: OrderRecord[] = [];
      for (const command of commands) {
        const name = nameOf(command);
        if (name === undefined || names.has(name) || !knows(command)) return undefined;
        names.add(name);
        if (command.kind === 'place') claims.set(command, { state: 'claimed' });
        else progress.set(command, 'written');
        if (command.kind === 'decide') known.push(orders.get(command.orderId) as OrderRecord);
      }
      return { claims, progress, orders: known, imported: new Map() };
    },
    committed(command, result) {
      if (command.kind === 'decide') orders.forget(command.orderId);
      if (command.kind === 'decide' || command.kind === 'progress') used.forget(command.saga.id);
      if (command.kind !== 'place' && command.kind !== 'refuse') return;
      used.keep(keyOf(command), command.claim);
      if ('saga' in result) orders.keep(result.order.id, result.order);
    },
    doubt(commands) {
      for (const command of commands) {
        const name = nameOf(command);
        if (name !== undefined) used.doubt(name);
      }
    },
  };
}
