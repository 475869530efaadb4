import type { Operation as Attempt, Outcome } from '../checkers/index.ts';
import type { ShopReply } from './shop-client.ts';
import type { Operation } from './workload.ts';

/** The workload's calls in the words of the checkers: one attempt each. */
export function historyOf(operations: readonly Operation[]): Attempt[] {
  const keyOf = new Map<string, string>();
  for (const { kind, subject, reply } of operations) {
    const id = kind === 'place' && reply.kind === 'answer' ? (reply.body as { id?: string } | null)?.id : undefined;
    if (id !== undefined) keyOf.set(id, subject);
  }
  return operations.map((operation, index) => {
    const { client, kind, subject, body, startMs, endMs, reply } = operation;
    return {
      id: String(index + 1),
      process: client,
      // What is said of an order must agree with what was said of it before; stock is seen by the client.
      session: kind === 'place' ? subject : kind === 'read' ? (keyOf.get(subject) ?? subject) : client,
      kind,
      ...(kind === 'place' || kind === 'receive' ? { idempotencyKey: subject } : {}),
      ...(kind === 'cancel' ? { idempotencyKey: `cancel ${subject}` } : {}),
      input: body ?? subject,
      startMs,
      endMs,
      outcome: outcomeOf(reply),
    };
  });
}

/** Answers that say nothing of what happened: too late, too much, still under way. */
const unknown = new Set([408, 409, 425, 429]);

function outcomeOf(reply: ShopReply): Outcome {
  if (reply.kind === 'lost') return { type: 'info', problem: reply.why };
  const { status, body, hlc } = reply;
  if (status < 300) return { type: 'ok', status, value: body, ...(hlc === undefined ? {} : { hlc }) };
  const problem = String((body as { type?: string } | null)?.type ?? status);
  return status >= 500 || unknown.has(status) ? { type: 'info', problem } : { type: 'fail', status, problem };
}
