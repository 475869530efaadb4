import { isProblem } from '#kit/contract';
import type { LogFields, Logger } from '#kit/runtime';
import type { JournalEntry, Refusal, SagaDefinition, SagaRecord, Step, StepContext } from '#kit/saga';
import type { Telemetry } from '#kit/telemetry';
import type { OrderSagas, Origin } from './sagas.ts';

/** The part of every saga's input that says what it is about and on whose behalf it runs. */
interface SagaInput {
  readonly orderId: string;
  readonly origin: Origin;
}

/** The same sagas, with a span for each attempt at a step and at its compensation; calls they make are its children. */
export function traceSagas(telemetry: Telemetry, sagas: OrderSagas): OrderSagas {
  return {
    placeOrder: traceSaga(telemetry, sagas.placeOrder),
    cancelOrder: traceSaga(telemetry, sagas.cancelOrder),
    returnOrder: traceSaga(telemetry, sagas.returnOrder),
    refundOrder: traceSaga(telemetry, sagas.refundOrder),
  };
}

function traceSaga<Input extends SagaInput>(
  telemetry: Telemetry,
  definition: SagaDefinition<Input>,
): SagaDefinition<Input> {
  return { ...definition, steps: definition.steps.map((step) => traceStep(telemetry, definition.name, step)) };
}

function traceStep<Input extends SagaInput>(telemetry: Telemetry, saga: string, step: Step<Input>): Step<Input> {
  if (step.kind === 'wait') return step;
  const { compensate } = step;
  const name = `${saga} ${step.name}`;
  const undo = compensate && {
    compensate: (context: StepContext<Input>) => traced(telemetry, `${name} compensation`, context, compensate),
  };
  if (step.kind === 'remote') {
    return { ...step, ...undo, run: (context: StepContext<Input>) => traced(telemetry, name, context, step.run) };
  }
  const { run } = step;
  return {
    ...step,
    ...undo,
    run: (context, progress) => traced(telemetry, name, context, (inner) => run(inner, progress)),
  };
}

async function traced<Input extends SagaInput, Result>(
  telemetry: Telemetry,
  name: string,
  context: StepContext<Input>,
  work: (context: StepContext<Input>) => Promise<Result>,
): Promise<Result> {
  const { input, attempt } = context;
  const span = telemetry.span(name, input.origin.traceparent);
  if (!span.recording) return work(context);
  span.set('service', 'orders');
  span.set('step', input.origin.step);
  span.set('attempt', attempt);
  span.set('orderId', input.orderId);
  const origin = { ...input.origin, traceparent: span.traceparent };
  try {
    const result = await work({ ...context, input: { ...input, origin } });
    const { refused } = (result ?? {}) as Partial<Record<'refused', Refusal>>;
    if (refused) span.set('refused', refused.reason);
    return result;
  } catch (error) {
    // A refusal is an answer that the saga expects, and not a fault.
    if (isProblem(error) && error.retry === 'never') span.set('refused', error.code);
    else span.fail(error);
    throw error;
  } finally {
    span.end();
  }
}

/** The log of the engine, which knows sagas only: lines about one get what joins them to their request's other lines. */
export function logByOrigin(log: Logger, recordOf: (sagaId: string) => SagaRecord | undefined): Logger {
  const joined = (fields: LogFields | undefined): LogFields | undefined => {
    const record = typeof fields?.['saga'] === 'string' ? recordOf(fields['saga']) : undefined;
    if (!fields || !record) return fields;
    const { origin } = record.input as SagaInput;
    const { step: sagaStep, ...rest } = fields;
    const { correlationId, step, traceparent } = origin;
    return { correlationId, step, traceId: traceparent?.slice(3, 35), sagaStep, ...rest };
  };
  return {
    debug: (message, fields) => log.debug(message, joined(fields)),
    info: (message, fields) => log.info(message, joined(fields)),
    warn: (message, fields) => log.warn(message, joined(fields)),
    error: (message, fields) => log.error(message, joined(fields)),
    with: (fields) => logByOrigin(log.with(fields), recordOf),
  };
}

/** Counts steps as they end, whichever way: for `onStep` of the engine. */
export function measureSteps(telemetry: Telemetry, active: () => number) {
  const steps = telemetry.counter({
    name: 'holdfast_saga_steps_total',
    help: 'Steps of sagas that ended, by how.',
    labels: ['saga', 'step', 'event'],
  });
  const durations = telemetry.histogram({
    name: 'holdfast_saga_step_duration_seconds',
    help: 'Time of a step, all its attempts together.',
    labels: ['saga', 'step', 'event'],
  });
  telemetry.gauge(
    { name: 'holdfast_sagas_active', help: 'Sagas under way in this process.', labels: ['service'] },
    () => [{ labels: { service: 'orders' }, value: active() }],
  );
  return ({ definition: saga }: SagaRecord, { step, event, durationMs }: JournalEntry): void => {
    const labels = { saga, step, event };
    steps.add(labels);
    if (durationMs !== undefined) durations.observe(labels, durationMs / 1_000);
  };
}
