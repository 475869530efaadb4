import { pageFrom, pageSizeDefault, positionOf } from '#contracts/common';
import { type orders, ordersProblems } from '#contracts/orders';
import type { Handlers } from '#kit/contract';
import type { Database } from '#kit/runtime';
import {
  abandonSaga,
  inspectSaga,
  listSagas,
  pivotOf,
  resumeSaga,
  type SagaDefinition,
  type SagaStatus,
} from '#kit/saga';
import type { OrderSagas } from './sagas.ts';

type SagaHandlers = Pick<Handlers<typeof orders>, 'listSagas' | 'inspectSaga' | 'resumeSaga' | 'abandonSaga'>;

/** For the people who look after sagas: see them, let stuck ones go on, give hopeless ones up. */
export function createSagaHandlers(database: Database, sagas: OrderSagas): SagaHandlers {
  const pivots = new Map<string, number>(
    Object.values(sagas).map((definition: SagaDefinition<never>) => [definition.name, pivotOf(definition)]),
  );

  function stepsOf(name: string) {
    const known = (Object.values(sagas) as readonly SagaDefinition<never>[]).find((each) => each.name === name);
    const pivot = pivots.get(name);
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
        ...(status === undefined ? {} : { status: status as SagaStatus }),
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
      const pivot = pivots.get(definition) ?? -1;
      if (!(await abandonSaga(database, params.sagaId, pivot, caller.id, body.reason))) {
        throw ordersProblems['saga-not-possible']({ detail: `the saga is ${status}` });
      }
      return { status: 200, body: await view(params.sagaId) };
    },
  };
}
