import { canonical } from '../canonical.ts';
import type { Model } from './model.ts';

export type RegisterInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: unknown }
  /** Writes `to` if the value is `from`. */
  | { readonly kind: 'swap'; readonly from: unknown; readonly to: unknown };

/** The value that was read; whether it was swapped; anything for a write. */
export type RegisterOutput = unknown;

/** One value, null before the first write. States are canonical JSON. */
export const register: Model<string, RegisterInput, RegisterOutput> = {
  initial: 'null',
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        return output === undefined || canonical(output) === state ? state : undefined;
      case 'write':
        return canonical(input.value);
      case 'swap': {
        const fits = canonical(input.from) === state;
        if (output !== undefined && output !== fits) return undefined;
        return fits ? canonical(input.to) : state;
      }
    }
  },
  keyOf: (state) => state,
  isRead: ({ kind }) => kind === 'read',
  describe(input, output) {
    const answer = output === undefined ? '?' : canonical(output);
    if (input.kind === 'read') return `read → ${answer}`;
    if (input.kind === 'write') return `write ${canonical(input.value)}`;
    return `swap ${canonical(input.from)} for ${canonical(input.to)} → ${answer}`;
  },
  describeState: (state) => state,
};

export interface StockInput {
  /** `hold` takes units if there are enough, `release` gives them back, `receive` brings new ones, `read` looks. */
  readonly kind: 'hold' | 'release' | 'receive' | 'read';
  /** Units. Default 0. */
  readonly quantity?: number;
}

export interface StockOutput {
  /** Of a hold: false when there were not enough. Default true. */
  readonly held?: boolean;
  /** Units left right after it, where the answer said so. */
  readonly available?: number;
}

/** Units on hand of one SKU: holds against on hand. It starts empty. */
export const stock: Model<number, StockInput, StockOutput> = {
  initial: 0,
  step(state, { kind, quantity = 0 }, output) {
    const isEnough = kind !== 'hold' || state >= quantity;
    if (output && kind === 'hold' && (output.held ?? true) !== isEnough) return undefined;
    const change = kind === 'read' || !isEnough ? 0 : kind === 'hold' ? -quantity : quantity;
    const after = state + change;
    return output?.available === undefined || output.available === after ? after : undefined;
  },
  keyOf: (state) => state,
  isRead: ({ kind }) => kind === 'read',
  describe({ kind, quantity }, output) {
    const units = quantity === undefined ? '' : ` ${quantity}`;
    if (output === undefined) return `${kind}${units} → ?`;
    const verdict = kind === 'hold' ? (output.held === false ? 'refused' : 'held') : 'done';
    const left = output.available === undefined ? '' : `${kind === 'read' ? '' : ', '}${output.available} left`;
    return `${kind}${units} → ${kind === 'read' ? '' : verdict}${left}`;
  },
  describeState: (state) => `${state} on hand`,
};
