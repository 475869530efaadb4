import type { Caller } from '#kit/contract';
import { createAskErrand, type Said } from './ask-errand.ts';
import { createProgramErrand, type KeyStory, programOf } from './door/program-errand.ts';
import { createRepriceErrand, type EditStory } from './door/reprice-errand.ts';
import { createSessionErrand, type SessionStory } from './door/session-errand.ts';
import type { Incarnation } from './node.ts';
import { admin, type Call, guest, type People, staff } from './people.ts';
import type { Errand } from './plan.ts';
import { type CartStory, createShoppingErrand } from './shopping-errand.ts';
import type { Simulation } from './simulation.ts';
import { createTillErrand, type TillStory } from './till-errand.ts';
import { createEndpointErrand, type EndpointStory } from './webhooks/endpoint-errand.ts';
import type { Merchants } from './webhooks/merchants.ts';

/**
 * What people do besides ordering: they fill carts on two devices and pay for them, sell at tills without a network and tell
 * of it later, ask the assistant, stay signed in, change products, have merchants told and programs let in. What they know for
 * sure stands in a book, which the checks hold against the rows.
 */

export interface ErrandBook {
  readonly carts: CartStory[];
  readonly tills: TillStory[];
  readonly said: Said[];
  readonly sessions: SessionStory[];
  readonly edits: EditStory[];
  readonly endpoints: EndpointStory[];
  readonly keys: KeyStory[];
  /** Orders, and who placed them; undefined: a guest. */
  readonly owners: { readonly orderId: string; readonly customerId: string | undefined }[];
  /** Passwords, tokens, keys: what stands in no table. */
  readonly secrets: Set<string>;
}

export interface ErrandOptions {
  readonly simulation: Simulation;
  readonly world: Incarnation['world'];
  readonly people: Pick<People, 'attempt' | 'persist' | 'knownAs'>;
  readonly merchants: Pick<Merchants, 'leave'>;
  readonly secrets: Set<string>;
  /** The product of a SKU, once there is one. */
  readonly productOf: (sku: string) => Promise<string | undefined>;
}

export function createErrands({ simulation, world, people, productOf, merchants, secrets }: ErrandOptions) {
  const { attempt, persist, knownAs } = people;
  const book: ErrandBook = {
    ...{ carts: [], tills: [], said: [], sessions: [], edits: [], endpoints: [], keys: [], owners: [] },
    secrets,
  };
  const random = simulation.stream('errands');

  async function ask<T>(errand: Errand, kind: string, caller: Caller, send: Call['send']): Promise<T | undefined> {
    const reply = await persist({ operation: errand.id, kind, send }, caller, () => true);
    return reply?.body as T | undefined;
  }

  const { timers } = world;
  const goShopping = createShoppingErrand({ ask, timers, book: book.carts, knownAs, productOf });
  const runTill = createTillErrand({ simulation, world, ask, random, book: book.tills, secrets });
  const askAssistant = createAskErrand({ simulation, timers, ask, random, book: book.said });
  const staySignedIn = createSessionErrand({
    ask: (errand, kind, send) => ask(errand, kind, guest, send),
    ...{ book: book.sessions, secrets },
  });
  const reprice = createRepriceErrand({
    ask: (errand, kind, send) => ask(errand, kind, staff, send),
    ...{ timers, book: book.edits, productOf },
  });
  const keepEndpoint = createEndpointErrand({
    ask: (errand, kind, send) => ask(errand, kind, admin, send),
    ...{ simulation, timers, merchants, book: book.endpoints, secrets },
  });
  const workByKey = createProgramErrand({
    ask: (errand, kind, send) => ask(errand, kind, admin, send),
    attempt: ({ id: operation }, kind, key, send) => attempt({ operation, kind, send }, programOf(key)),
    ...{ simulation, timers, book: book.keys, secrets },
  });

  return {
    book,
    perform(errand: Errand): Promise<void> {
      switch (errand.kind) {
        case 'shopping':
          return goShopping(errand);
        case 'till':
          return runTill(errand);
        case 'ask':
          return askAssistant(errand);
        case 'session':
          return staySignedIn(errand);
        case 'reprice':
          return reprice(errand);
        case 'endpoint':
          return keepEndpoint(errand);
        case 'program':
          return workByKey(errand);
      }
    },
  };
}
