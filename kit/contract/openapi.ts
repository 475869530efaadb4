import type { OperationDescription, ServiceContract } from './operation.ts';
import { contractProblems, describeProblems, type ProblemDescription } from './problem.ts';

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
  /** Leaves out operations that callers from outside can't reach. */
  readonly include: (operation: OperationDescription) => boolean;
}

/** The OpenAPI 3.1 document of a set of contracts. Schemas are JSON Schema 2020-12 as they stand in the contracts. */
export function openApi(contracts: readonly ServiceContract[], options: OpenApiOptions): Record<string, unknown> {
  const problems: Record<string, ProblemDescription> = describeProblems(contractProblems);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const contract of contracts) {
    if (contract.problems) Object.assign(problems, describeProblems(contract.problems));
    for (const [name, operation] of Object.entries(contract.operations)) {
      if (!options.include(operation)) continue;
      const path = paths[operation.path] ?? {};
      paths[operation.path] = path;
      path[operation.method.toLowerCase()] = describe(contract, name, operation, problems);
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: options.title, version: options.version, description: options.description ?? '' },
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Problem: problemSchema },
    },
  };
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem details',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    category: { enum: ['input', 'auth', 'conflict', 'unavailable', 'timeout', 'internal'] },
    retry: { description: 'never, same-key, or {afterMs}' },
    hint: { type: 'string' },
    correlationId: { type: 'string' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { pointer: { type: 'string' }, detail: { type: 'string' } } },
    },
  },
} as const;

function describe(
  contract: ServiceContract,
  name: string,
  operation: OperationDescription,
  problems: Record<string, ProblemDescription>,
): Record<string, unknown> {
  const media = operation.stream === 'request' ? 'application/x-ndjson' : 'application/json';
  return {
    operationId: `${contract.service}.${name}`,
    tags: [contract.service],
    summary: operation.summary,
    ...(operation.deprecated ? { deprecated: true } : {}),
    ...(operation.consistency ? { 'x-consistency': operation.consistency } : {}),
    parameters: parametersOf(operation),
    ...(operation.body ? { requestBody: { required: true, content: { [media]: { schema: operation.body } } } } : {}),
    responses: responsesOf(operation, problems),
    ...(operation.access.includes('anonymous') ? {} : { security: [{ bearer: [] }], 'x-roles': operation.access }),
  };
}

function parametersOf(operation: OperationDescription): unknown[] {
  const header = (headerName: string, description: string, required = true) => ({
    name: headerName,
    in: 'header',
    required,
    description,
    schema: { type: 'string' },
  });
  return [
    ...fieldsOf(operation.params, 'path'),
    ...fieldsOf(operation.query, 'query'),
    ...(operation.idempotency === 'required'
      ? [header('Idempotency-Key', 'One key for each business operation; a repeat with it returns the first result')]
      : []),
    ...(operation.conditional ? [header('If-Match', 'The ETag of the version that was read')] : []),
    ...(202 in operation.responses
      ? [header('Prefer', 'wait=N: 202 after N seconds at the latest (RFC 7240)', false)]
      : []),
    ...Object.entries(operation.headers ?? {}).map(([name, { description, required }]) =>
      header(name, description, required),
    ),
  ];
}

interface ObjectSchema {
  readonly properties?: Record<string, unknown>;
  readonly required?: readonly string[];
}

function fieldsOf(schema: OperationDescription['params'], place: 'path' | 'query'): unknown[] {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema;
  return Object.entries(properties).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: field,
  }));
}

function responsesOf(
  operation: OperationDescription,
  problems: Record<string, ProblemDescription>,
): Record<string, unknown> {
  const media = operation.stream === 'reply' ? 'application/x-ndjson' : 'application/json';
  const responses: Record<string, unknown> = {};
  for (const [status, schema] of Object.entries(operation.responses)) {
    responses[status] = {
      description: (schema as { description?: string }).description ?? 'Done',
      ...(status === '204' ? {} : { content: { [media]: { schema } } }),
    };
  }
  const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  const byStatus = new Map<number, string[]>();
  for (const code of operation.problems ?? []) {
    const entry = problems[code];
    if (!entry) throw new Error(`the contract names problem ${code}, which no table has`);
    byStatus.set(entry.status, [...(byStatus.get(entry.status) ?? []), `${code}: ${entry.title}`]);
  }
  for (const [status, lines] of byStatus) {
    responses[String(status)] ??= { description: lines.join('\n'), content: problem };
  }
  responses['default'] = { description: 'Any other problem', content: problem };
  return responses;
}
