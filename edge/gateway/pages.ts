import { hash } from 'node:crypto';
import type { Static } from 'typebox';
import { decodeCursor, pageFrom, pageSizeDefault, timeAt } from '#contracts/common';
import { edgeProblems } from '#contracts/edge';
import { gateway, gatewayProblems } from '#contracts/gateway';
import { operators } from '#contracts/operators';
import {
  contractProblems,
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
import { createKeyHandlers } from './api-keys/handlers.ts';
import type { ApiKeys } from './api-keys/index.ts';
import type { Audit } from './audit/index.ts';
import type { AuditEntry } from './audit/store.ts';

export interface PagesOptions {
  readonly clock: Clock;
  readonly contracts: readonly ServiceContract[];
  readonly unready: () => Promise<Readonly<Record<string, string>>>;
  readonly title: string;
  readonly version: string;
  readonly audit: Audit | undefined;
  readonly apiKeys: ApiKeys | undefined;
}

/** Whether callers from outside can reach an operation: those for services alone have no public door. */
export function isPublic(operation: OperationDescription): boolean {
  return operation.access.some((access) => access !== 'service');
}

export function createPages(options: PagesOptions): ServiceServer {
  const { clock, unready, title, version } = options;
  const contracts = [...options.contracts, gateway, operators];
  const reads = readsOf(contracts);
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
  const readiness: Handlers<typeof gateway>['readyz'] = async () => {
    const reasons = await unready();
    if (Object.keys(reasons).length === 0) return { status: 200, body: { status: 'ready' } };
    return { status: 503, body: { status: 'unready', reasons: { ...reasons } } };
  };
  const handlers: Handlers<typeof gateway> = {
    ...createKeyHandlers(options.apiKeys),
    index: async () => ({ status: 200, body: { name: title, links }, headers: cacheable }),
    livez: async () => ({ status: 200, body: { status: 'alive' } }),
    readyz: readiness,
    health: readiness,
    // Made once: the text, not the value, is what is sent.
    openapi: async () => ({ status: 200, body: text, headers: openApiHeaders }),
    problems: async () => ({ status: 200, body: { items: [...problems.values()] }, headers: cacheable }),
    async problem({ params }) {
      const page = problems.get(`${params.area}/${params.name}`);
      if (!page) throw gatewayProblems['unknown-problem']();
      return { status: 200, body: page, headers: cacheable };
    },
    async audit({ query }) {
      if (!options.audit) throw gatewayProblems['no-audit']();
      return { status: 200, body: await auditPage(options.audit, query, reads) };
    },
  };
  return implement(gateway, handlers, { clock });
}

/** `orders.get` and the like, of all contracts. */
const readsOf = (contracts: readonly ServiceContract[]): string[] =>
  contracts.flatMap(({ service, operations }) =>
    Object.entries(operations).flatMap(([name, { method }]) => (method === 'GET' ? [`${service}.${name}`] : [])),
  );

async function auditPage(audit: Audit, query: Static<typeof gateway.operations.audit.query>, reads: readonly string[]) {
  const { limit = pageSizeDefault, actor, operation, target, changes = false, cursor } = query;
  const [from, to] = (['from', 'to'] as const).map((name) => {
    const text = query[name];
    return text === undefined ? undefined : new Date(timeAt(`query:${name}`, text));
  });
  const [before] = cursor === undefined ? [] : (decodeCursor(cursor) ?? ['none']);
  if (before !== undefined && !Number.isSafeInteger(before)) throw gatewayProblems['bad-cursor']();
  const without = changes ? reads : undefined;
  const wanted = { actor, operation, target, without, from, to, before: before as number | undefined };
  const found = await audit.list({ ...wanted, limit: limit + 1 });
  return pageFrom(found, limit, ({ id }) => [id], auditView);
}

const auditView = ({ at, actorKind, actorId, sessionId, ...rest }: AuditEntry & { readonly id: number }) => ({
  ...rest,
  at: at.toISOString(),
  actor: { kind: actorKind, id: actorId, ...(sessionId === null ? {} : { sessionId }) },
});

function problemPages(contracts: readonly ServiceContract[]) {
  const entries: Record<string, ProblemDescription> = {
    ...describeProblems(contractProblems),
    ...describeProblems(edgeProblems),
  };
  for (const { problems } of contracts) if (problems) Object.assign(entries, describeProblems(problems));
  const codes = Object.keys(entries).sort();
  const pageOf = (code: string) => {
    // How well the service is that answers it is between services.
    const { fault: _, ...page } = entries[code] as ProblemDescription;
    return { code, ...page };
  };
  return new Map(codes.map((code) => [code, pageOf(code)]));
}
