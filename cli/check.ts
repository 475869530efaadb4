import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  allChecks,
  type CheckResult,
  HistoryError,
  type Recording,
  readHistory,
  runChecks,
  splitLines,
} from '#lab/checkers';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { createScreen, type Screen } from './screen.ts';

export interface CheckOptions {
  readonly json?: boolean;
}

/** Of one check so many violations are shown to people; JSON has a hundred. */
const violationsShownMax = 5;

/** Runs all checkers on a recorded history. Resolves with 0, or with 5 when a guarantee does not hold. */
export async function checkCommand(file: string, { json = false }: CheckOptions): Promise<ExitCode> {
  const screen = createScreen(json);
  const recording = await read(file);
  const results = runAll(recording, file);
  const { evidence, source, lines } = recording;
  const { operations, isolation: _, ...sections } = evidence;
  const rows = Object.fromEntries(Object.entries(sections).map(([name, all]) => [name, all?.length ?? 0]));
  const ok = results.every(({ status }) => status !== 'violated');
  screen.result({ ok, file, source, lines, operations: operations.length, sections: rows, checks: results });
  screen.say(`${file}: ${operations.length} operations, ${listOf(rows)}${source ? ` (${source})` : ''}\n`);
  for (const result of results) show(screen, result);
  const count = (status: CheckResult['status']) => results.filter((result) => result.status === status).length;
  screen.say(
    `\n${count('violated')} violated, ${count('passed')} hold, ${count('not-applicable')} not applicable to this file`,
  );
  return ok ? exitCodes.ok : exitCodes.checkFailed;
}

async function read(file: string): Promise<Recording> {
  try {
    return await readHistory(splitLines(await open(file)));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof HistoryError) {
      const why = message.replace(/\.$/, '');
      throw misuse(`${file} is no recorded history: ${why} (lab/checkers/README.md describes the format).`, error);
    }
    if (code === 'ENOENT') throw misuse(`There is no file ${file}.`, error);
    if (code === 'EISDIR' || code === 'EACCES') throw misuse(`${file} can't be read (${code}): give a file.`, error);
    if (code?.startsWith('Z_')) throw misuse(`${file} is damaged gzip, or cut short (${code}): copy it anew.`, error);
    throw error;
  }
}

/** A file or standard input, gzip or not: that is seen in the content. */
async function open(file: string): Promise<Readable> {
  const source: Readable = file === '-' ? process.stdin : createReadStream(file);
  // At the end too, with nothing to read.
  await once(source, 'readable');
  const first = source.read() as Buffer | null;
  if (first !== null) source.unshift(first);
  const isGzip = first?.[0] === 0x1f && first[1] === 0x8b;
  return (isGzip ? pipeline(source, createGunzip(), () => {}) : source).setEncoding('utf8');
}

function runAll({ evidence }: Recording, file: string): CheckResult[] {
  let results: CheckResult[];
  try {
    results = runChecks(evidence, allChecks);
  } catch (error) {
    throw misuse(`${file} can't be checked: ${(error as Error).message}`, error);
  }
  if (results.every(({ status }) => status === 'not-applicable')) {
    throw misuse(`${file} has nothing that a check could look at (lab/checkers/README.md lists what each needs).`);
  }
  return results;
}

const misuse = (sentence: string, cause?: unknown) => new Failure(exitCodes.usage, sentence, { cause });

function listOf(rows: Readonly<Record<string, number>>): string {
  const parts = Object.entries(rows).map(([name, count]) => `${count} ${name}`);
  return parts.length === 0 ? 'no final state' : parts.join(', ');
}

const marks = { passed: '✓', violated: '✗', 'not-applicable': '–' } as const;

function show(screen: Screen, { name, status, looked, violations, count, reason }: CheckResult): void {
  const figure = status === 'not-applicable' ? `not applicable: ${reason}` : `${looked} looked at`;
  const verdict = count > 0 ? `${count} VIOLATIONS, ${figure}` : figure;
  screen.say(`${marks[status]} ${name.padEnd(54)} ${verdict}`);
  for (const violation of violations.slice(0, violationsShownMax)) {
    screen.say(`    ${violation.replaceAll('\n', '\n    ')}`);
  }
  if (count > violationsShownMax) screen.say(`    … and ${count - violationsShownMax} more`);
}
