import type { Static } from 'typebox';
import type { UserEventType, userEvents } from '#contracts/users';
import type { CallContext } from '#kit/contract';
import type { Database, Transaction, World } from '#kit/runtime';
import type { Credentials } from './credentials.ts';
import type { ChargeHash } from './hash-allowance.ts';
import type { HashQueue } from './hash-queue.ts';
import type { Passwords } from './passwords.ts';
import type { Sessions } from './sessions.ts';
import type { SigningKeys } from './signing-keys.ts';

/** One event for the outbox, in the form that kit/messaging takes. */
export type UserEvent = {
  readonly [Type in UserEventType]: {
    readonly type: Type;
    /** The user's id: events of one user keep their order. */
    readonly key: string;
    readonly data: Static<(typeof userEvents)[Type]>;
    readonly context?: CallContext;
  };
}[UserEventType];

/** Writes events to the outbox in the transaction of what they tell. */
export type Publish = (tx: Transaction, events: readonly UserEvent[]) => Promise<unknown>;

/** What the handlers work with. */
export interface Deps {
  readonly world: World;
  readonly database: Database;
  readonly publish: Publish;
  readonly passwords: Passwords;
  /** Called before whatever somebody from outside makes us hash. `credentials` do it by themselves. */
  readonly chargeHash: ChargeHash;
  /** Around it. */
  readonly inTurn: HashQueue;
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly signingKeys: SigningKeys;
  /** Makes password reset tokens; never stored. */
  readonly resetKey: Uint8Array;
}
