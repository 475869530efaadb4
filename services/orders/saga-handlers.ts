import { pageFrom, pageSizeDefault, positionOf } from '#contracts/common';
import { type orders, ordersProblems } from '#contracts/orders';
import type { Handlers } from '#kit/contract';
import type { Database } from '#kit/runtime';
import {
  abandonSaga,
  inspectSaga,
  listSagas,
  type OnAbandoned,
  pivotOf,
  resumeSaga,
  type SagaDefinition,
  turningPointOf,
} from '#kit/saga';
import { recordAbandoned } from './abandon.ts';
import type { Publishing } from './commands.ts';
import type { OrderSagas } from './sagas.ts';

type SagaHandlers = Pick<Handlers<typeof orders>, 'listSagas' | 'inspectSaga' | 'resumeSaga' | 'abandonSaga'>;

/** For the people who look after sagas: see them, let stuck ones go on, give hopeless ones up. */
export function createSagaHandlers(database: Database, sagas: OrderSagas, publishing: Publishing): SagaHandlers {
  const definitions = new Map(
    Object.values(sagas).map((definition: SagaDefinition<never>) => [definition.name, definition]),
  );

  function stepsOf(name: string) {
    const known = definitions.get(name);
    const pivot = known && pivotOf(known);
    return known ? { steps: known.steps.map((step, index) => ({ name: step.name, pivot: index === pivot })) } : {};
  }

  async function view(id: string) {
    const saga = await inspectSaga(database, id);
    if (!saga) throw ordersProblems['not-found']({ detail: `no saga ${id}` });
    const { definition, version, status, step, owner, cause, results, journal } = saga;
    const steps = stepsOf(definition);
    return { id, definition, version, status, step, owner, cause, results, journal: [...journal], ...steps };
  }

  return {
    listSagas: async ({ query }) => {
      const { limit = pageSizeDefault, cursor, status } = query;
      const [after] = positionOf(cursor, 'text') ?? [];
      const rows = await listSagas(database, {
        ...(status === undefined ? {} : { status }),
        ...(after === undefined ? {} : { after }),
        limit: limit + 1,
      });
      const body = pageFrom(
        rows,
        limit,
        ({ id }) => [id],
        ({ createdAt, updatedAt, ...saga }) => ({
          ...saga,
          createdAt: createdAt.toISOString(),
          updatedAt: updatedAt.toISOString(),
        }),
      );
      return { status: 200, body };
    },
    inspectSaga: async ({ params }) => ({ status: 200, body: await view(params.sagaId) }),
    resumeSaga: async ({ params }, { caller }) => {
      const { status } = await view(params.sagaId);
      if (!(await resumeSaga(database, params.sagaId, caller.id))) {
        throw ordersProblems['saga-not-possible']({ detail: `the saga is ${status}` });
      }
      return { status: 200, body: await view(params.sagaId) };
    },
    abandonSaga: async ({ params, body }, { caller }) => {
      const { status, definition } = await view(params.sagaId);
      const known = definitions.get(definition);
      if (!known) throw ordersProblems['saga-not-possible']({ detail: `${definition} is not known here` });
      const record: OnAbandoned = (tx, saga) => recordAbandoned(tx, publishing, saga, known);
      const { reason } = body;
      if (!(await abandonSaga(database, params.sagaId, turningPointOf(known), caller.id, reason, record))) {
        throw ordersProblems['saga-not-possible']({ detail: `the saga is ${status}` });
      }
      return { status: 200, body: await view(params.sagaId) };
    },
  };
}
