import type { ImportReply, ProductInput } from '#contracts/products';
import { type CallContext, isProblem, type Problem } from '#kit/contract';
import type { Ids } from '#kit/runtime';
import type { Command, Outcome } from './commands.ts';

export interface ImportOptions {
  readonly ids: Ids;
  readonly submit: (command: Command) => Promise<Outcome>;
  /** Throws `contract/invalid-input`. */
  readonly inputOf: (value: unknown) => ProductInput;
}

/** Lines in memory, and in one commit, at a time. More saves commits, fewer saves memory and time under the lock. */
export const importLinesMax = 200;
export const rejectionsMax = 1_000;

type Line = { readonly number: number; readonly value: unknown };

/**
 * Takes lines as they come: one batch is read, committed as one, and only then the next is read, so that a file of any
 * size takes the same memory and the sender is held to the pace of the database. What is committed stays when the
 * stream breaks off; sent again from the start, those lines are found to be unchanged.
 */
export async function importLines(
  lines: AsyncIterable<unknown>,
  context: CallContext,
  options: ImportOptions,
): Promise<ImportReply> {
  const tally = createTally();
  let batch: Line[] = [];
  let number = 0;
  for await (const value of lines) {
    number += 1;
    // A blank line.
    if (value === undefined) continue;
    batch.push({ number, value });
    if (batch.length < importLinesMax) continue;
    await importBatch(batch, context, options, tally);
    batch = [];
  }
  await importBatch(batch, context, options, tally);
  return tally.reply();
}

async function importBatch(
  batch: readonly Line[],
  context: CallContext,
  options: ImportOptions,
  tally: Tally,
): Promise<void> {
  context.signal.throwIfAborted();
  const outcomes = await Promise.allSettled(batch.map((line) => importLine(line, context, options)));
  for (const [i, outcome] of outcomes.entries()) {
    const line = batch[i] as Line;
    if (outcome.status === 'fulfilled') tally.accepted(outcome.value);
    // One line's fault is told with its number; anything else (no database, overload) ends the import.
    else if (isProblem(outcome.reason) && isFaultOfLine(outcome.reason)) tally.rejected(line, outcome.reason);
    else throw outcome.reason;
  }
}

function isFaultOfLine(problem: Problem): boolean {
  return problem.category === 'input' || problem.category === 'conflict';
}

async function importLine(
  { value }: Line,
  context: CallContext,
  { ids, submit, inputOf }: ImportOptions,
): Promise<Outcome> {
  if (isProblem(value)) throw value;
  const input = inputOf(value);
  const changeId = ids.next('chg');
  return submit({ kind: 'upsert', changeId, productId: ids.next('prd'), input, context });
}

type Tally = ReturnType<typeof createTally>;

function createTally() {
  const counts = { created: 0, changed: 0, unchanged: 0, noted: 0, rejected: 0 };
  const rejections: ImportReply['rejections'] = [];
  return {
    accepted(outcome: Outcome): void {
      counts[outcome.kind] += 1;
    },
    rejected({ number, value }: Line, problem: Problem): void {
      counts.rejected += 1;
      if (rejections.length >= rejectionsMax) return;
      const sku = skuIn(value);
      rejections.push({
        line: number,
        ...(sku === undefined ? {} : { sku }),
        code: problem.code,
        reason: problem.message,
      });
    },
    reply(): ImportReply {
      const { created, changed, unchanged, rejected } = counts;
      return {
        lines: created + changed + unchanged + rejected,
        ...{ created, changed, unchanged, rejected },
        rejections,
        rejectionsOmitted: rejected - rejections.length,
      };
    },
  };
}

const skuCharsMax = 100;

/** The first SKU of a line that may be anything, to find it again by. */
function skuIn(value: unknown): string | undefined {
  const variants = (value as { variants?: unknown } | null)?.variants;
  const sku = Array.isArray(variants) ? (variants[0] as { sku?: unknown } | null | undefined)?.sku : undefined;
  return typeof sku === 'string' ? sku.slice(0, skuCharsMax) : undefined;
}
