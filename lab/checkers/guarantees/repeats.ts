import { canonical } from '../canonical.ts';
import { defineCheck } from '../check.ts';

/** The same key gives the same answer; another payload under it (`place-mismatch`) is refused. */
export const repeatsAgree = defineCheck({
  name: 'a repeat with the same key gets the same answer',
  needs: [],
  size: ({ operations }) => operations.filter(({ idempotencyKey }) => idempotencyKey !== undefined).length,
  *find({ operations }) {
    const first = new Map<string, string>();
    for (const { kind, idempotencyKey, outcome, id } of operations) {
      if (idempotencyKey === undefined || outcome.type !== 'ok') continue;
      if (kind === 'place-mismatch') {
        yield `operation ${id}: ${idempotencyKey} was accepted with another payload`;
        continue;
      }
      if (outcome.status === 202) continue;
      const text = canonical(outcome.value);
      const known = first.get(idempotencyKey);
      if (known !== undefined && known !== text) yield `${idempotencyKey} was answered ${known} and ${text}`;
      first.set(idempotencyKey, known ?? text);
    }
  },
});
