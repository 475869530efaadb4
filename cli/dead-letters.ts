import { analytics } from '#contracts/analytics';
import { assistant } from '#contracts/assistant';
import { notifications } from '#contracts/notifications';
import { products } from '#contracts/products';
import { webhooks } from '#contracts/webhooks';
import {
  anonymous,
  type CallContext,
  createClient,
  createHttpTransport,
  isProblem,
  type ServiceContract,
} from '#kit/contract';
import type { DeadLetterView } from '#kit/messaging/operations';
import { systemWorld, type World } from '#kit/runtime';
import { pickDataDir } from './data-dir.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { createLog, logLevel } from './log.ts';
import { type Reached, reach } from './reach.ts';
import { createScreen, type Screen } from './screen.ts';

/** Services that read events, and so may have set some aside. */
const readers = { notifications, analytics, products, assistant, webhooks } as const;
type Reader = keyof typeof readers;
export const readerNames = Object.keys(readers) as readonly Reader[];

export interface DeadLettersOptions {
  readonly json: boolean;
  readonly dataDir?: string;
  readonly url?: string;
  readonly tokenFile?: string;
}

interface Summary {
  readonly service: Reader;
  readonly items: readonly DeadLetterView[];
  readonly total: number;
}

interface Replayed {
  readonly replayed: number;
  readonly remaining: number;
  readonly failed?: { readonly id: number; readonly cause: string };
}

/** All four operations are the same for every reader. */
interface Letters {
  list(service: Reader, limit: number): Promise<Summary>;
  show(service: Reader, id: string): Promise<DeadLetterView>;
  replay(service: Reader, id: string): Promise<Replayed>;
  discard(service: Reader, id: string): Promise<{ readonly remaining: number }>;
}

type Work = (letters: Letters, screen: Screen) => Promise<ExitCode>;

const listMax = 100;

/** What readers of events could not handle, oldest first. */
export function listDeadLetters(service: string | undefined, options: DeadLettersOptions): Promise<ExitCode> {
  return withLetters(options, async (letters, screen) => {
    const asked = service === undefined ? readerNames : [readerOf(service)];
    const lists = await Promise.all(asked.map((name) => letters.list(name, listMax)));
    screen.result({ ok: true, services: lists });
    if (screen.isJson) return exitCodes.ok;
    for (const { service: name, items, total } of lists) {
      screen.say(`${name}: ${total === 0 ? 'none' : total}`);
      for (const letter of items) screen.say(`  ${lineOf(letter)}`);
      if (total > items.length) screen.say(`  … and ${total - items.length} more`);
    }
    return exitCodes.ok;
  });
}

export function showDeadLetter(service: string, id: string, options: DeadLettersOptions): Promise<ExitCode> {
  return withLetters(options, async (letters, screen) => {
    const { event, stack, ...letter } = await letters.show(readerOf(service), id);
    screen.result({ ok: true, letter: { ...letter, event, stack } });
    if (!screen.isJson) screen.say([lineOf(letter), '', JSON.stringify(event, null, 2), '', stack ?? ''].join('\n'));
    return exitCodes.ok;
  });
}

/** Hands the letter's key over again. Ends with 5 when one fails again. */
export function replayDeadLetter(service: string, id: string, options: DeadLettersOptions): Promise<ExitCode> {
  return withLetters(options, async (letters, screen) => {
    const outcome = await letters.replay(readerOf(service), id);
    const { replayed, remaining, failed } = outcome;
    screen.result({ ok: failed === undefined, ...outcome });
    if (!screen.isJson) {
      screen.say(`${replayed} handled, ${remaining} of the same key left.`);
      if (failed) screen.say(`${failed.id} failed again: ${failed.cause}`);
    }
    return failed ? exitCodes.checkFailed : exitCodes.ok;
  });
}

export function discardDeadLetter(service: string, id: string, options: DeadLettersOptions): Promise<ExitCode> {
  return withLetters(options, async (letters, screen) => {
    const { remaining } = await letters.discard(readerOf(service), id);
    screen.result({ ok: true, remaining });
    const rest = remaining > 0 ? ` ${remaining} of the same key are left: replay one of them to go on.` : '';
    if (!screen.isJson) screen.say(`Given up.${rest}`);
    return exitCodes.ok;
  });
}

async function withLetters(options: DeadLettersOptions, work: Work): Promise<ExitCode> {
  const { url, tokenFile, json } = options;
  const screen = createScreen(json);
  const world = systemWorld(createLog(logLevel(process.env['HOLDFAST_LOG']), { process: 'dead-letters' }));
  const reached = await reach({
    world,
    dataDir: pickDataDir(options.dataDir, () => {}),
    mayStart: false,
    ...(url === undefined ? {} : { url }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  });
  const letters = connect(reached, world);
  try {
    return await work(letters, screen);
  } catch (error) {
    throw failureOf(error);
  } finally {
    await letters.close();
    await reached.close();
  }
}

function connect({ origin, session }: Reached, { clock }: World): Letters & { close(): Promise<void> } {
  const contracts: readonly ServiceContract[] = Object.values(readers);
  const transport = createHttpTransport({ contracts, origin, connectionsMax: 2 });
  // Each has the four operations under the same names.
  const clientOf = (service: Reader) => createClient(readers[service] as typeof notifications, { transport, clock });
  const headers = async () => ({ authorization: `Bearer ${await session.token()}` });
  const at = async (letterId: string) => ({ params: { letterId }, headers: await headers() });
  return {
    async list(service, limit) {
      const input = { query: { limit }, headers: await headers() };
      return { service, ...(await clientOf(service).listDeadLetters(input, contextOf(clock))).body };
    },
    show: async (service, id) => (await clientOf(service).showDeadLetter(await at(id), contextOf(clock))).body,
    replay: async (service, id) => (await clientOf(service).replayDeadLetter(await at(id), contextOf(clock))).body,
    discard: async (service, id) => (await clientOf(service).discardDeadLetter(await at(id), contextOf(clock))).body,
    close: () => transport.close(),
  };
}

const callTimeoutMs = 30_000;

function contextOf(clock: World['clock']): CallContext {
  return {
    caller: anonymous,
    correlationId: '',
    step: 0,
    traceparent: undefined,
    idempotencyKey: undefined,
    deadlineAtMs: clock.monotonicMs() + callTimeoutMs,
    signal: new AbortController().signal,
    headers: {},
  };
}

function readerOf(name: string): Reader {
  const reader = readerNames.find((each) => each === name);
  if (reader) return reader;
  throw new Failure(exitCodes.usage, `${name} reads no events: name one of ${readerNames.join(', ')}.`);
}

function lineOf({ id, createdAt, type, key, status, attempts, cause }: DeadLetterView): string {
  const why = status === 'parked' ? 'waits behind an earlier one' : `failed ${attempts} times: ${cause}`;
  return `${id}  ${createdAt}  ${type}  ${key}  ${why}`;
}

function failureOf(error: unknown): unknown {
  if (!isProblem(error)) return error;
  const { status, category, title, detail, hint } = error;
  const exitCode =
    category === 'auth'
      ? exitCodes.auth
      : status === 404 || category === 'input'
        ? exitCodes.usage
        : category === 'internal'
          ? exitCodes.internal
          : exitCodes.unavailable;
  return new Failure(exitCode, `${title}${detail ? ` (${detail})` : ''}. ${hint}`, { cause: error });
}
