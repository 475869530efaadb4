import { defineCheck } from '../check.ts';
import { checkTransactions, describeAnomaly, type MicroOperation, type Transaction } from '../elle/index.ts';
import type { Evidence, Operation } from '../history/evidence.ts';

const recorded = ({ operations }: Evidence) => operations.filter(({ kind }) => kind === 'transaction');

/** A committed transaction is told with the lists it read; of others only the appends are known. */
function transactionOf({ id, process, startMs, endMs, input, outcome }: Operation): Transaction {
  const isKnown = outcome.type !== 'info';
  const steps = (outcome.type === 'ok' && outcome.value ? outcome.value : input) as readonly MicroOperation[];
  return {
    id,
    process,
    status: outcome.type,
    startAt: startMs,
    endAt: isKnown ? endMs : Number.POSITIVE_INFINITY,
    operations: steps ?? [],
  };
}

/** Transactions that append to lists and read them, by their cycles: see elle. */
export const transactionsAreIsolated = defineCheck({
  name: 'transactions are isolated as promised',
  needs: [],
  size: (evidence) => recorded(evidence).length,
  *find(evidence) {
    const { isolation: level = 'serializable' } = evidence;
    const { violations } = checkTransactions(recorded(evidence).map(transactionOf), { level });
    for (const anomaly of violations) yield describeAnomaly(anomaly);
  },
});
