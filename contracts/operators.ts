import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { closed, Timestamp } from './common.ts';

/** What operators see of the running system: the gateway asks all processes for it. For staff alone. */

const Count = Type.Number({ minimum: 0 });

/** Calls so far, by outcome and by how long they took: two readings tell what happened in between. */
const counted = {
  calls: Count,
  failed: Type.Number({ minimum: 0, description: 'Ended with 5xx, a time-out, or no answer' }),
  buckets: Type.Array(Count, { description: 'Calls by time; one more than there are boundsSec' }),
};

const ProcessView = closed({
  process: Type.String(),
  services: Type.Array(Type.String()),
  answering: Type.Boolean(),
  address: Type.Optional(Type.String()),
  zone: Type.Optional(Type.String()),
  startedAt: Type.Optional(Timestamp),
});

export const SystemView = closed({
  at: Timestamp,
  processes: Type.Array(ProcessView),
  boundsSec: Type.Array(Type.Number()),
  edges: Type.Array(closed({ caller: Type.String(), callee: Type.String(), ...counted })),
  services: Type.Array(closed({ service: Type.String(), ...counted })),
  breakers: Type.Array(
    closed({
      callee: Type.String(),
      operation: Type.String(),
      state: Type.Union([Type.Literal('half-open'), Type.Literal('open')]),
    }),
  ),
  pools: Type.Array(
    closed({ process: Type.String(), database: Type.String(), open: Count, busy: Count, waiting: Count }),
  ),
  published: Type.Array(closed({ source: Type.String(), events: Count, waiting: Type.Optional(Count) })),
  consumed: Type.Array(closed({ group: Type.String(), events: Count, behind: Type.Optional(Count) })),
  unready: Type.Record(Type.String(), Type.String()),
});
export type SystemView = Static<typeof SystemView>;

const AttributeValue = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
const Attributes = Type.Record(Type.String(), AttributeValue);

const SpanView = closed({
  traceId: Type.String(),
  spanId: Type.String(),
  parentSpanId: Type.Optional(Type.String()),
  name: Type.String(),
  kind: Type.String(),
  startMs: Type.Number({ description: 'Since 1970, with fractions; on the clock of its process' }),
  durationMs: Type.Number(),
  attributes: Attributes,
  events: Type.Array(closed({ name: Type.String(), atMs: Type.Number(), attributes: Attributes })),
  error: Type.Optional(Type.String()),
});
export type SpanView = Static<typeof SpanView>;

const TraceView = closed({
  traceId: Type.String(),
  name: Type.String({ description: 'Of its earliest span' }),
  startMs: Type.Number(),
  durationMs: Type.Number(),
  spanCount: Type.Integer(),
  failed: Type.Boolean(),
  services: Type.Array(Type.String()),
});

const TraceId = Type.String({ pattern: '^[0-9a-f]{32}$' });

const EventView = closed({
  topic: Type.String(),
  partition: Type.Integer(),
  offset: Type.Integer(),
  id: Type.String(),
  type: Type.String(),
  source: Type.String(),
  key: Type.String(),
  time: Timestamp,
  hlc: Type.Optional(Type.String({ description: 'Hybrid logical time: a cause has a lesser one than its effect' })),
  step: Type.Optional(Type.Integer({ description: 'Hops from the first request' })),
  traceparent: Type.Optional(Type.String()),
  correlationId: Type.Optional(Type.String()),
  data: Type.Unknown(),
});
export type EventView = Static<typeof EventView>;

const LogLevel = Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')]);

const LogLine = closed({
  time: Timestamp,
  level: LogLevel,
  message: Type.String(),
  process: Type.Optional(Type.String()),
  service: Type.Optional(Type.String()),
  traceId: Type.Optional(Type.String()),
  correlationId: Type.Optional(Type.String()),
  fields: Type.Record(Type.String(), Type.Unknown(), { description: 'What else it says; secrets as ***' }),
});
export type LogLine = Static<typeof LogLine>;

const FaultKind = Type.Union([
  Type.Literal('killed', { description: 'Its processes end without a word, and are kept from starting until healed' }),
  Type.Literal('paused', {
    description: 'Its processes are stopped in their tracks: they answer nobody, and do not know',
  }),
  Type.Literal('down', { description: 'Every call to it is refused' }),
  Type.Literal('slow', {
    description: 'Every call to it takes 1.5 seconds longer; among several processes every packet is late',
  }),
  Type.Literal('cut-off', {
    description:
      'No other process reaches it and it reaches none; connections stay and nothing comes. Its database stays',
  }),
  Type.Literal('drop-replies', { description: 'Half of the calls are done, and no answer ever comes' }),
  Type.Literal('skewed', {
    description: 'Its wall clock is two minutes behind, until healed; with those of its process',
  }),
  Type.Literal('decline', { description: 'The payment provider declines every card' }),
]);

export const ActiveFault = closed({ kind: FaultKind, service: Type.String({ maxLength: 40 }) });
export type ActiveFault = Static<typeof ActiveFault>;

const SettingView = closed({
  area: Type.String({ description: 'What it is about: door, payments, mail …' }),
  name: Type.String(),
  value: Type.String({ description: 'As it counts now; secrets as ***' }),
  isDefault: Type.Boolean({ description: 'Nobody has set it' }),
  where: Type.String({ description: 'How it is changed' }),
});
export type SettingView = Static<typeof SettingView>;

const Faults = closed({
  open: Type.Boolean({ description: 'Whether anything can be broken here: holdfast up --faults' }),
  items: Type.Array(ActiveFault, { description: 'That are on' }),
  targets: Type.Array(
    closed({
      service: Type.String(),
      together: Type.Array(Type.String(), { description: 'Other services of its process: killed and paused with it' }),
    }),
    { description: 'What can be broken here' },
  ),
});
export type Faults = Static<typeof Faults>;

const ProcessStatus = closed({
  name: Type.String(),
  services: Type.Array(Type.String()),
  state: Type.String({ description: 'ready, paused, waiting (it has ended and is started again) …' }),
  restarts: Type.Integer(),
  pid: Type.Optional(Type.Integer()),
  upMs: Type.Optional(Type.Number()),
  why: Type.Optional(Type.String()),
});
export type ProcessStatus = Static<typeof ProcessStatus>;
const ofProcess = closed({ process: Type.String({ pattern: '^[a-z][a-z0-9-]{0,40}$' }) });

const ObjectiveView = closed({
  operation: Type.String(),
  objective: Type.Union([
    Type.Literal('availability', { description: 'Requests that do not fail' }),
    Type.Literal('latency', { description: 'Of those, requests that are answered within withinSec' }),
  ]),
  target: Type.Number({ description: 'Share that is promised, over 30 days' }),
  withinSec: Type.Optional(Type.Number()),
  total: Type.Integer({ minimum: 0, description: 'Requests in the last 30 days' }),
  bad: Type.Integer({ minimum: 0 }),
  budgetLeft: Type.Number({ description: 'What is left of what may fail: 1 all, below 0 the objective is missed' }),
  burnRates: Type.Record(Type.String(), Type.Number(), {
    description: 'By window (5m, 30m, 1h, 6h, 3d): 1 is as fast as the budget lasts exactly 30 days',
  }),
  alerts: Type.Array(
    closed({ severity: Type.Union([Type.Literal('page'), Type.Literal('ticket')]), window: Type.String() }),
    { description: 'That fire now, the most urgent first' },
  ),
});
export type ObjectiveView = Static<typeof ObjectiveView>;

export const operatorsProblems = problemTable('operators', {
  'nothing-to-show': {
    status: 503,
    title: 'This gateway shows nothing to operators',
    category: 'unavailable',
    retry: 'never',
    hint: 'Start it with the processes of a topology; by itself it has nobody to ask.',
  },
  'unknown-trace': {
    status: 404,
    title: 'Nothing is recorded of this trace',
    category: 'input',
    retry: 'never',
    hint: 'It was not among those recorded (--trace-ratio), is not over yet, or is too old.',
  },
  'no-faults': {
    status: 404,
    title: 'The fault laboratory is not open',
    category: 'input',
    retry: 'never',
    hint: 'It is off unless the system was started with --faults.',
  },
  'not-operable': {
    status: 409,
    title: 'That can not be done to this process',
    category: 'conflict',
    retry: 'never',
    hint: 'GET /processes tells how each is; holdfast status does, too.',
  },
  'unknown-topic': {
    status: 404,
    title: 'The log has no such topic',
    category: 'input',
    retry: 'never',
    hint: 'GET /topics lists them.',
  },
});

const access = ['staff', 'admin'] as const;

/** The running system as its gateway sees it. It owns no data: everything here is asked of others when somebody looks. */
export const operators = defineService({
  service: 'operators',
  problems: operatorsProblems,
  operations: {
    system: {
      method: 'GET',
      path: '/system',
      summary: 'Processes, services, the calls between them and their state. Counts are since each process started',
      access,
      responses: { 200: SystemView },
      problems: ['operators/nothing-to-show'],
      deadlineMs: 5_000,
    },
    settings: {
      method: 'GET',
      path: '/settings',
      summary: 'What this system was started with, and where each of it is changed. Secrets are not in it',
      access,
      responses: { 200: closed({ items: Type.Array(SettingView) }) },
      problems: ['operators/nothing-to-show'],
    },
    objectives: {
      method: 'GET',
      path: '/objectives',
      summary: 'How what is promised of each operation stands: error budgets and their alerts, the worst first',
      access,
      responses: { 200: closed({ items: Type.Array(ObjectiveView) }) },
      problems: ['operators/nothing-to-show'],
    },
    traces: {
      method: 'GET',
      path: '/traces',
      summary: 'The latest recorded traces that began at this gateway, newest first',
      access,
      query: closed({
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Default 50' })),
        service: Type.Optional(Type.String({ maxLength: 40, description: 'That took part' })),
        operation: Type.Optional(Type.String({ maxLength: 100, description: 'Part of the name of a span' })),
        durationMsMin: Type.Optional(Type.Integer({ minimum: 0 })),
        failed: Type.Optional(Type.Boolean({ description: 'true: with an error in it; false: without' })),
        own: Type.Optional(
          Type.Boolean({
            description:
              'true: also what the console reads to show itself, and what the gateway asks by itself, when nothing failed. Default false',
          }),
        ),
      }),
      responses: { 200: closed({ items: Type.Array(TraceView) }) },
      problems: ['operators/nothing-to-show'],
    },
    trace: {
      method: 'GET',
      path: '/traces/{traceId}',
      summary: 'All recorded spans of a trace, from all processes, in the order in which they began',
      access,
      params: closed({ traceId: TraceId }),
      responses: { 200: closed({ traceId: Type.String(), spans: Type.Array(SpanView) }) },
      problems: ['operators/nothing-to-show', 'operators/unknown-trace'],
      deadlineMs: 5_000,
    },
    logs: {
      method: 'GET',
      path: '/logs',
      summary: 'What all processes logged and kept, also those that have ended, newest first',
      access,
      query: closed({
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'Default 200' })),
        about: Type.Optional(
          Type.String({
            minLength: 4,
            maxLength: 200,
            description: 'Any id: of an order, a payment, a trace, a correlation; with all lines of its traces',
          }),
        ),
        service: Type.Optional(Type.String({ maxLength: 60, description: 'A service, or one of its processes' })),
        level: Type.Optional({ ...LogLevel, description: 'And graver; default all' }),
        to: Type.Optional({ ...Timestamp, description: 'Not after' }),
      }),
      responses: {
        200: closed({
          items: Type.Array(LogLine),
          complete: Type.Boolean({
            description: 'false: there are more, or more than is looked through for one answer',
          }),
        }),
      },
      problems: ['operators/nothing-to-show'],
      deadlineMs: 10_000,
    },
    faults: {
      method: 'GET',
      path: '/faults',
      summary: 'Whether the laboratory is open (holdfast up --faults), and the faults that are on',
      access,
      responses: { 200: Faults },
    },
    setFaults: {
      method: 'PUT',
      path: '/faults',
      summary: 'Puts these faults on and all others off; none heals everything. Works within a second',
      access,
      body: closed({ items: Type.Array(ActiveFault, { maxItems: 50 }) }),
      responses: { 200: Faults },
      problems: ['operators/no-faults'],
    },
    processes: {
      method: 'GET',
      path: '/processes',
      summary: 'Processes of the topology as their supervisor sees them, where the laboratory is open',
      access,
      responses: { 200: closed({ items: Type.Array(ProcessStatus) }) },
      problems: ['operators/no-faults', 'operators/not-operable'],
      deadlineMs: 5_000,
    },
    killProcess: {
      method: 'POST',
      path: '/processes/{process}/kill',
      summary: 'Ends a process without a word, as a crash would; its supervisor starts it again',
      access,
      params: ofProcess,
      responses: { 202: closed({}) },
      problems: ['operators/no-faults', 'operators/not-operable'],
      deadlineMs: 5_000,
    },
    restartProcess: {
      method: 'POST',
      path: '/processes/{process}/restart',
      summary: 'Puts a new process in the place of this one, without a gap where it can be there twice',
      access,
      params: ofProcess,
      responses: { 202: closed({}) },
      problems: ['operators/no-faults', 'operators/not-operable'],
      deadlineMs: 5_000,
    },
    topics: {
      method: 'GET',
      path: '/topics',
      summary: 'Topics of the log, and the first and the next offset of each of their partitions',
      access,
      responses: {
        200: closed({
          items: Type.Array(
            closed({
              topic: Type.String(),
              partition: Type.Integer(),
              firstOffset: Type.Integer(),
              nextOffset: Type.Integer(),
            }),
          ),
        }),
      },
      problems: ['operators/nothing-to-show'],
      deadlineMs: 5_000,
    },
    events: {
      method: 'GET',
      path: '/topics/{topic}/events',
      summary: 'Events of one key in the order in which they happened, from a time on',
      access,
      params: closed({ topic: Type.String({ pattern: '^[a-z][a-z0-9.-]{0,62}$' }) }),
      query: closed({
        key: Type.String({ minLength: 1, maxLength: 200 }),
        from: Type.Optional(Timestamp),
      }),
      responses: {
        200: closed({
          items: Type.Array(EventView),
          complete: Type.Boolean({ description: 'false: there are more events in the log than were looked through' }),
        }),
      },
      problems: ['operators/nothing-to-show', 'operators/unknown-topic'],
      deadlineMs: 10_000,
    },
  },
});
