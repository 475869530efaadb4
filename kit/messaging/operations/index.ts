import Type, { type Static } from 'typebox';
import { problemTable } from '#kit/contract';
import type { DeadLetter, DeadLetters } from '../dead-letters.ts';
import type { Subscription } from '../subscription.ts';

/** Dead letters as operations of a service: the contract's half and the handlers' half, the same everywhere. */

const DeadLetterView = Type.Object(
  {
    id: Type.Integer(),
    group: Type.String(),
    topic: Type.String(),
    partition: Type.Integer(),
    offset: Type.Integer(),
    key: Type.String(),
    type: Type.String(),
    status: Type.Union([
      Type.Literal('failed', { description: 'the handler could not take it' }),
      Type.Literal('parked', { description: 'waits behind an earlier event of its key' }),
    ]),
    cause: Type.Union([Type.String(), Type.Null()]),
    attempts: Type.Integer(),
    createdAt: Type.String(),
    event: Type.Optional(Type.Unknown({ description: 'the CloudEvents envelope' })),
    stack: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  },
  { additionalProperties: false },
);
export type DeadLetterView = Static<typeof DeadLetterView>;

const letterParams = Type.Object(
  { letterId: Type.String({ pattern: '^[0-9]{1,15}$' }) },
  { additionalProperties: false },
);

const Key = Type.String({ maxLength: 200, description: 'Of this key alone' });
const LetterId = Type.Integer({ minimum: 0 });
const throughId = Type.Integer({
  minimum: 0,
  description: 'The newest that is meant, as `lastId` of the list: what comes later stays',
});

/** The operations, to be spread into a service's contract. `problem` names its `no-dead-letter`. */
export function deadLetterOperations<const Service extends string>(service: Service) {
  const problems = [`${service}/no-dead-letter`];
  return {
    listDeadLetters: {
      method: 'GET',
      path: `/${service}/dead-letters`,
      summary: 'Events that could not be handled, and those that wait behind them, oldest first.',
      access: ['staff', 'service'],
      query: Type.Object(
        {
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Default 20' })),
          afterId: Type.Optional({ ...LetterId, description: 'id of the last letter of the page before' }),
          key: Type.Optional(Key),
        },
        { additionalProperties: false },
      ),
      responses: {
        200: Type.Object(
          {
            items: Type.Array(DeadLetterView),
            total: Type.Integer({ description: 'All that fit, on whatever page' }),
            lastId: { ...LetterId, description: 'id of the newest of them; 0: there is none' },
          },
          { additionalProperties: false },
        ),
      },
    },
    showDeadLetter: {
      method: 'GET',
      path: `/${service}/dead-letters/{letterId}`,
      summary: 'One dead letter with its event and the stack of its failure.',
      access: ['staff', 'service'],
      params: letterParams,
      responses: { 200: DeadLetterView },
      problems,
    },
    replayDeadLetter: {
      method: 'POST',
      path: `/${service}/dead-letters/{letterId}/replay`,
      summary: 'Hands over again the letter and all of its key, in order, until one fails.',
      access: ['staff', 'service'],
      params: letterParams,
      responses: {
        200: Type.Object(
          {
            replayed: Type.Integer(),
            remaining: Type.Integer(),
            failed: Type.Optional(
              Type.Object({ id: Type.Integer(), cause: Type.String() }, { additionalProperties: false }),
            ),
          },
          { additionalProperties: false },
        ),
      },
      problems,
      deadlineMs: 30_000,
    },
    replayDeadLetters: {
      method: 'POST',
      path: `/${service}/dead-letters/replay`,
      summary:
        'Hands over again all that fit, key by key, some keys a call. One that fails again holds up no other key.',
      access: ['staff', 'service'],
      body: Type.Object(
        {
          key: Type.Optional(Key),
          throughId,
          afterId: Type.Optional({ ...LetterId, description: '`nextAfterId` of the call before' }),
        },
        { additionalProperties: false },
      ),
      responses: {
        200: Type.Object(
          {
            replayed: Type.Integer({ description: 'Events that were handled' }),
            failed: Type.Array(Type.Object({ id: LetterId, cause: Type.String() }, { additionalProperties: false })),
            nextAfterId: Type.Optional({ ...LetterId, description: 'Call again with it; left out: that was all' }),
          },
          { additionalProperties: false },
        ),
      },
      deadlineMs: 60_000,
    },
    discardDeadLetters: {
      method: 'POST',
      path: `/${service}/dead-letters/discard`,
      summary: 'Gives all that fit up for good, the oldest first, up to 1,000 a call.',
      access: ['admin', 'service'],
      body: Type.Object({ key: Type.Optional(Key), throughId }, { additionalProperties: false }),
      responses: {
        200: Type.Object(
          {
            discarded: Type.Integer(),
            remaining: Type.Integer({ description: 'That fit and are still there: call again' }),
          },
          { additionalProperties: false },
        ),
      },
      deadlineMs: 30_000,
    },
    discardDeadLetter: {
      method: 'DELETE',
      path: `/${service}/dead-letters/{letterId}`,
      summary: 'Gives one dead letter up for good.',
      access: ['admin', 'service'],
      params: letterParams,
      responses: { 200: Type.Object({ remaining: Type.Integer() }, { additionalProperties: false }) },
      problems,
    },
  } as const;
}

/** How far a service is behind the log; to be spread into its contract. */
export function lagOperation<const Service extends string>(service: Service) {
  return {
    showLag: {
      method: 'GET',
      path: `/${service}/lag`,
      summary: 'Events in the log that are not handled yet, by topic and partition.',
      access: ['staff', 'service'],
      responses: {
        200: Type.Object(
          {
            items: Type.Array(
              Type.Object(
                { topic: Type.String(), partition: Type.Integer(), events: Type.Integer() },
                { additionalProperties: false },
              ),
            ),
          },
          { additionalProperties: false },
        ),
      },
    },
  } as const;
}

export function lagHandlers(subscription: Pick<Subscription, 'lag'>) {
  return {
    showLag: async () => ({ status: 200 as const, body: { items: [...(await subscription.lag())] } }),
  };
}

/** For the service's problem table, under the name `no-dead-letter`. */
export const noDeadLetter = {
  status: 404,
  title: 'There is no such dead letter',
  category: 'input',
  retry: 'never',
  hint: 'It may have been replayed or discarded in the meantime: list them again.',
} as const;

export function deadLetterHandlers(service: string, deadLetters: DeadLetters) {
  const problems = problemTable(service, { 'no-dead-letter': noDeadLetter });

  async function find(letterId: string): Promise<DeadLetter> {
    const letter = await deadLetters.show(Number(letterId));
    if (!letter) throw problems['no-dead-letter']({ detail: `${service} has no dead letter ${letterId}` });
    return letter;
  }

  return {
    async listDeadLetters({ query }: { query: { limit?: number; afterId?: number; key?: string } }) {
      const [letters, tally] = await Promise.all([deadLetters.list(query), deadLetters.tally(query)]);
      return { status: 200 as const, body: { items: letters.map(summaryOf), ...tally } };
    },
    async showDeadLetter({ params }: { params: { letterId: string } }) {
      const letter = await find(params.letterId);
      return { status: 200 as const, body: { ...summaryOf(letter), event: letter.event, stack: letter.stack } };
    },
    async replayDeadLetter({ params }: { params: { letterId: string } }) {
      const letter = await find(params.letterId);
      return { status: 200 as const, body: { ...(await deadLetters.replay(letter.id)) } };
    },
    async replayDeadLetters({ body }: { body: { key?: string; throughId: number; afterId?: number } }) {
      const { failed, ...rest } = await deadLetters.replayMany(body);
      return { status: 200 as const, body: { ...rest, failed: [...failed] } };
    },
    async discardDeadLetters({ body }: { body: { key?: string; throughId: number } }) {
      return { status: 200 as const, body: { ...(await deadLetters.discardMany(body)) } };
    },
    async discardDeadLetter({ params }: { params: { letterId: string } }) {
      const letter = await find(params.letterId);
      const { remaining } = await deadLetters.discard(letter.id);
      return { status: 200 as const, body: { remaining } };
    },
  };
}

function summaryOf(letter: DeadLetter): DeadLetterView {
  const { event: _event, stack: _stack, createdAt, ...rest } = letter;
  return { ...rest, createdAt: createdAt.toISOString() };
}
