import { lossyNetwork, weakDatabase } from './conditions.ts';
import type { Bug } from './index.ts';
import { afterwards, inDatabaseOf, inStatementsOf, replaceInSql } from './rewire.ts';

const merchants = { unreachable: 0.3, refusal: 0.3, lostReply: 0.2 } as const;

export const webhookBugs: readonly Bug[] = [
  {
    name: 'deliveries-apart',
    foundAt: 13,
    summary: 'webhooks moves its position in the log first and notes what is to be posted afterwards',
    conditions: { ...weakDatabase, listeners: { webhooks: 2 }, errands: [['endpoint', 3]] },
    hooks: () => inDatabaseOf('webhooks', (database) => afterwards(database, /insert into (message|delivery) /)),
  },
  {
    name: 'taken-for-answered',
    summary: 'a message counts as delivered when it is on its way, whatever the merchant says',
    conditions: { listeners: { webhooks: 1 }, merchants, errands: [['endpoint', 3]] },
    hooks: () => ({
      poster: (poster) => ({
        ...poster,
        async post(...message) {
          await poster.post(...message);
          return { status: 200 };
        },
      }),
    }),
  },
  {
    name: 'message-an-attempt',
    summary: 'each attempt has a webhook-id of its own, so a receiver does not know what it has seen',
    conditions: { listeners: { webhooks: 1 }, merchants, errands: [['endpoint', 3]] },
    hooks: () =>
      inStatementsOf(
        'webhooks',
        replaceInSql(/update delivery d set lease_owner/, (text) =>
          text.replace('d.message_id as "messageId"', `d.message_id || '#' || d.attempts as "messageId"`),
        ),
      ),
  },
  {
    name: 'old-secret-signs',
    summary: 'while a secret is changed over the old one signs alone',
    conditions: { listeners: { webhooks: 1 }, errands: [['endpoint', 6]] },
    hooks: () =>
      inStatementsOf(
        'webhooks',
        replaceInSql(/update delivery d set lease_owner/, (text) =>
          text.replace(
            'e.secret_sealed as "secretSealed"',
            'coalesce(e.old_secret_sealed, e.secret_sealed) as "secretSealed"',
          ),
        ),
      ),
  },
  {
    name: 'tried-for-ever',
    summary: 'a message that does not arrive is tried again and again, and never given up',
    conditions: { listeners: { webhooks: 1 }, merchants: { unreachable: 0.95 }, errands: [['endpoint', 3]] },
    hooks: () =>
      inStatementsOf(
        'webhooks',
        replaceInSql(/set status = 'failed'/, (text) =>
          text.replace(`status = 'failed', ended_at = now()`, 'next_attempt_at = now()'),
        ),
      ),
  },
  {
    name: 'since-by-wall-clock',
    summary: 'an endpoint hears of what happened after it was made by the clock of a database, which may be wrong',
    conditions: {
      ...lossyNetwork,
      databaseSkewMsMax: 3_600_000,
      listeners: { webhooks: 1 },
      errands: [['endpoint', 3]],
    },
    hooks: () =>
      inStatementsOf(
        'webhooks',
        replaceInSql(/made_hlc as "madeHlc"/, (text) => text.replace('made_hlc as', 'null::text as')),
      ),
  },
];
