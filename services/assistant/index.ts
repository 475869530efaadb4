import { assistant, type Knowledge } from '#contracts/assistant';
import { type ProductEvent, productEventTypes } from '#contracts/products';
import { type Handlers, implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import {
  type EventEnvelope,
  type EventLog,
  inboxMigrations,
  type LogicalClock,
  type MessagingMetrics,
  type Subscription,
  subscribe,
} from '#kit/messaging';
import { deadLetterHandlers, lagHandlers } from '#kit/messaging/operations';
import type { Cancel, Component, Database, Transaction, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { noTelemetry, type Telemetry, traceEvents } from '#kit/telemetry';
import { composeAnswer, knowledgeOf, mentionOf } from './answer.ts';
import type { LanguageModel } from './language-model.ts';
import { copyProducts, findProducts, forgetProducts, readFacts, readVocabulary, writeLevel } from './store.ts';
import { meantBy, wordsOf } from './words.ts';

export { createLanguageModel, type LanguageModel, type LanguageModelOptions } from './language-model.ts';

export const assistantMigrations: readonly Migrations[] = [
  inboxMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_assistant' },
];

export interface AssistantOptions {
  readonly world: World;
  readonly database: Database;
  readonly log: EventLog;
  /** Puts answers into words. Never needed: without it, and when it fails, the answer is put together from facts. */
  readonly model?: LanguageModel;
  readonly logicalClock?: LogicalClock;
  readonly metrics?: MessagingMetrics;
  readonly telemetry?: Telemetry;
  readonly server?: Partial<ServerOptions>;
  /** How often it looks whether it has read everything. Default 3,000 ms. */
  readonly listenPeriodMs?: number;
}

const productsMax = 4;
/** How often the time of being level is written down, for after a restart. */
const writeLevelPeriodMs = 30_000;

/** Answers questions about products from its own copy of the catalogue, whoever else is away, and says how old that is. */
export function createAssistant(options: AssistantOptions): {
  readonly server: ServiceServer;
  readonly component: Component;
  readonly subscription: Subscription;
} {
  const {
    world,
    database,
    log,
    model,
    logicalClock,
    metrics,
    telemetry = noTelemetry,
    listenPeriodMs = 3_000,
  } = options;
  const { clock, timers } = world;
  const subscription = subscribe({
    group: 'assistant',
    topics: ['products'],
    types: productEventTypes,
    log,
    database,
    world,
    delivery: 'effectively-once',
    handler: traceEvents({ telemetry, log: world.log, group: 'assistant' }, (tx: Transaction, events) =>
      copyProducts(tx, events.map(productIn)),
    ),
    reset: forgetProducts,
    onPoison: 'skip',
    onCommit() {
      vocabulary = undefined;
    },
    ...(logicalClock ? { logicalClock } : {}),
    ...(metrics ? { metrics } : {}),
  });
  let levelAtMs: number | undefined;
  let writtenAtMs = 0;
  let lagEvents: number | 'unknown' = 'unknown';
  let cancel: Cancel = () => {};

  /** Beside the answers, which must not wait for a log that doesn't answer. */
  async function listen(): Promise<void> {
    const nowMs = clock.now();
    try {
      lagEvents = (await subscription.lag()).reduce((sum, { events }) => sum + events, 0);
      if (lagEvents > 0) return;
      levelAtMs = nowMs;
      if (nowMs - writtenAtMs < writeLevelPeriodMs) return;
      await writeLevel(database, nowMs);
      writtenAtMs = nowMs;
    } catch (error) {
      lagEvents = 'unknown';
      world.log.debug('the assistant can not hear the catalogue', { error });
    }
  }

  async function know(): Promise<{ readonly knowledge: Knowledge; readonly categories: readonly string[] }> {
    const { products, categories, levelAt } = await readFacts(database);
    const knownLevelAtMs = levelAtMs ?? levelAt?.getTime();
    return {
      knowledge: knowledgeOf({ products, levelAtMs: knownLevelAtMs, lagEvents, nowMs: clock.now() }),
      categories,
    };
  }

  /** Read anew when the copy has changed: all words of it are looked through. */
  let vocabulary: Promise<readonly string[]> | undefined;

  function knownWords(): Promise<readonly string[]> {
    vocabulary ??= readVocabulary(database).catch((error) => {
      vocabulary = undefined;
      throw error;
    });
    return vocabulary;
  }

  async function find(question: string) {
    const words = wordsOf(question);
    if (words.length === 0) return [];
    const known = await knownWords();
    const meant = words.flatMap((word) => meantBy(word, known)).filter((word) => /^[\p{L}\p{N}]+$/u.test(word));
    return findProducts(database, [...words, ...meant], productsMax);
  }

  const handlers: Handlers<typeof assistant> = {
    async ask({ body }, { signal }) {
      const { question, currency = 'EUR' } = body;
      const [products, { knowledge, categories }] = await Promise.all([find(question), know()]);
      const mentioned = products.map((product) => mentionOf(product, currency));
      const plain = composeAnswer(question, products, currency, categories);
      const worded =
        model && products.length > 0
          ? await model(question, products, knowledge.text, signal).catch((error) => {
              world.log.warn('the language model did not answer; the answer is put together from facts', { error });
              return undefined;
            })
          : undefined;
      const text = worded ?? plain;
      const said = knowledge.state === 'current' ? text : `${text}\n${knowledge.text}`;
      const answeredBy = worded === undefined ? 'catalogue' : 'model';
      return { status: 200, body: { text: said, products: mentioned, answeredBy, knowledge } };
    },
    knowledge: async () => ({ status: 200, body: (await know()).knowledge }),
    ...deadLetterHandlers('assistant', subscription.deadLetters),
    ...lagHandlers(subscription),
  };

  return {
    server: implement(assistant, handlers, { clock, ...options.server }),
    subscription,
    component: {
      name: 'assistant',
      async start() {
        await subscription.component.start?.();
        cancel = timers.every(listenPeriodMs, listen);
        // Not waited for: it answers from what it has.
        void listen();
      },
      drain: async () => subscription.component.drain?.(),
      async stop() {
        cancel();
        await subscription.component.stop?.();
      },
      check: async () => subscription.component.check?.(),
    },
  };
}

/** An event that tells of no product, however often it is tried. */
class UnreadableEvent extends Error {
  readonly retry = 'never';
}

function productIn({ type, id, data }: EventEnvelope): ProductEvent['product'] {
  const product = (data as Partial<ProductEvent> | null)?.product;
  const isOne =
    typeof product?.id === 'string' &&
    typeof product.name === 'string' &&
    Array.isArray(product.variants) &&
    Number.isSafeInteger(product.version);
  if (!isOne) throw new UnreadableEvent(`${type} ${id}: there is no product in it`);
  return product;
}
