import { type Check, defineCheck } from '../check.ts';
import type { Evidence, Operation } from '../history/evidence.ts';
import {
  type Call,
  checkLinearizable,
  type Model,
  type RegisterInput,
  register,
  type StockInput,
  stock,
} from '../linearizable/index.ts';
import { mergeRepeats } from './accesses.ts';

/** Linearizability by search, for operations that carry no version: kinds `register.*` and `stock.*`. */
function searched<State, Input, Output>(
  name: string,
  prefix: string,
  model: Model<State, Input, Output>,
  inputOf: (kind: string, input: unknown) => Input,
  outputOf: (value: unknown) => Output,
): Check {
  const mine = ({ operations }: Evidence) =>
    operations.filter(({ kind, key }) => kind.startsWith(prefix) && key !== undefined);
  const callOf = ({ id, kind, input, startMs, endMs, outcome }: Operation): Call<Input, Output> => {
    const isKnown = outcome.type === 'ok';
    return {
      id,
      startAt: startMs,
      endAt: isKnown ? endMs : Number.POSITIVE_INFINITY,
      input: inputOf(kind.slice(prefix.length), input),
      output: isKnown ? outputOf(outcome.value) : undefined,
    };
  };
  return defineCheck({
    name,
    needs: [],
    size: (evidence) => mine(evidence).length,
    *find(evidence) {
      // What was refused had no effect, and its refusal says nothing of the object.
      const calls = mergeRepeats(mine(evidence)).filter(({ outcome }) => outcome.type !== 'fail');
      const report = checkLinearizable<State, Input, Output>(
        calls.map((operation) => [operation.key ?? '', callOf(operation)] as const),
        model,
      );
      for (const { key, report: failed } of report.failed) yield [`${key}:`, ...failed.explanation].join('\n  ');
      for (const key of report.undecided)
        yield `${key}: too much at one time to decide; record versions with the answers`;
    },
  });
}

export const registersAreLinearizable = searched(
  'registers are linearizable',
  'register.',
  register,
  (kind, input): RegisterInput => {
    const { value, from, to } = (input ?? {}) as { value?: unknown; from?: unknown; to?: unknown };
    if (kind === 'write') return { kind, value };
    return kind === 'swap' ? { kind, from, to } : { kind: 'read' };
  },
  (value) => value ?? null,
);

const stockKinds = ['hold', 'release', 'receive'] as const;

export const holdsAreLinearizable = searched(
  'holds are linearizable against units on hand',
  'stock.',
  stock,
  (kind, input): StockInput => {
    const { quantity = 0 } = (input ?? {}) as { quantity?: number };
    return { kind: stockKinds.find((each) => each === kind) ?? 'read', quantity };
  },
  (value) => (value ?? {}) as { held?: boolean; available?: number },
);
