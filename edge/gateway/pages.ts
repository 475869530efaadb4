import { hash } from 'node:crypto';
import Type from 'typebox';
import {
  contractProblems,
  defineService,
  describeProblems,
  type Handlers,
  implement,
  type OperationDescription,
  openApi,
  type ProblemDescription,
  type ServiceContract,
  type ServiceServer,
} from '#kit/contract';
import type { Clock } from '#kit/runtime';
import { gatewayProblems } from './problems.ts';

const Retry = Type.Union([
  Type.Literal('never'),
  Type.Literal('same-key'),
  Type.Object({ afterMs: Type.Number() }, { additionalProperties: false }),
]);
const ProblemPage = Type.Object(
  {
    code: Type.String(),
    status: Type.Integer(),
    title: Type.String(),
    category: Type.String(),
    retry: Retry,
    hint: Type.String(),
  },
  { additionalProperties: false },
);
const closed = { additionalProperties: false };

/** What the gateway answers itself. */
export const gateway = defineService({
  service: 'gateway',
  problems: gatewayProblems,
  operations: {
    index: {
      method: 'GET',
      path: '/',
      summary: 'Where to find what',
      access: ['anonymous'],
      identity: 'ignored',
      responses: {
        200: Type.Object({ name: Type.String(), links: Type.Record(Type.String(), Type.String()) }, closed),
      },
    },
    livez: {
      method: 'GET',
      path: '/livez',
      summary: 'The process runs',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Object({ status: Type.Literal('alive') }, closed) },
    },
    readyz: {
      method: 'GET',
      path: '/readyz',
      summary: 'The process serves; else what keeps it, by component',
      access: ['anonymous'],
      identity: 'ignored',
      responses: {
        200: Type.Object({ status: Type.Literal('ready') }, closed),
        503: Type.Object(
          { status: Type.Literal('unready'), reasons: Type.Record(Type.String(), Type.String()) },
          closed,
        ),
      },
    },
    openapi: {
      method: 'GET',
      path: '/openapi.json',
      summary: 'This interface as OpenAPI 3.1',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Unknown() },
    },
    problems: {
      method: 'GET',
      path: '/problems',
      summary: 'All problems that an answer can name, with what to do about them',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Object({ items: Type.Array(ProblemPage) }, closed) },
    },
    problem: {
      method: 'GET',
      path: '/problems/{area}/{name}',
      summary: 'One problem: where the `type` of a problem document leads',
      access: ['anonymous'],
      identity: 'ignored',
      params: Type.Object({ area: Type.String(), name: Type.String() }, closed),
      responses: { 200: ProblemPage },
      problems: ['gateway/unknown-problem'],
    },
  },
});

export interface PagesOptions {
  readonly clock: Clock;
  readonly contracts: readonly ServiceContract[];
  readonly unready: () => Promise<Readonly<Record<string, string>>>;
  readonly title: string;
  readonly version: string;
}

/** Whether callers from outside can reach an operation: those for services alone have no public door. */
export function isPublic(operation: OperationDescription): boolean {
  return operation.access.some((access) => access !== 'service');
}

export function createPages(options: PagesOptions): ServiceServer {
  const { clock, unready, title, version } = options;
  const contracts = [...options.contracts, gateway];
  const problems = problemPages(contracts);
  const text = JSON.stringify(openApi(contracts, { title, version, include: isPublic }));
  const cacheable = { 'cache-control': 'public, max-age=300' };
  const openApiHeaders = { ...cacheable, etag: `"${hash('sha256', text, 'hex').slice(0, 16)}"` };
  const links = {
    openapi: '/openapi.json',
    problems: '/problems',
    live: '/livez',
    ready: '/readyz',
    keys: '/.well-known/jwks.json',
  };
  const handlers: Handlers<typeof gateway> = {
    index: async () => ({ status: 200, body: { name: title, links }, headers: cacheable }),
    livez: async () => ({ status: 200, body: { status: 'alive' } }),
    async readyz() {
      const reasons = await unready();
      if (Object.keys(reasons).length === 0) return { status: 200, body: { status: 'ready' } };
      return { status: 503, body: { status: 'unready', reasons: { ...reasons } } };
    },
    // Made once: the text, not the value, is what is sent.
    openapi: async () => ({ status: 200, body: text, headers: openApiHeaders }),
    problems: async () => ({ status: 200, body: { items: [...problems.values()] }, headers: cacheable }),
    async problem({ params }) {
      const page = problems.get(`${params.area}/${params.name}`);
      if (!page) throw gatewayProblems['unknown-problem']();
      return { status: 200, body: page, headers: cacheable };
    },
  };
  return implement(gateway, handlers, { clock });
}

function problemPages(contracts: readonly ServiceContract[]) {
  const entries: Record<string, ProblemDescription> = describeProblems(contractProblems);
  for (const { problems } of contracts) if (problems) Object.assign(entries, describeProblems(problems));
  const codes = Object.keys(entries).sort();
  return new Map(codes.map((code) => [code, { code, ...(entries[code] as ProblemDescription) }]));
}
