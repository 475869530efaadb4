import type { TSchema } from 'typebox';
import type { OperationDescription } from '#kit/contract';
import { isPublic } from '../../edge/gateway/pages.ts';
import { type Chapter, chapters, commonShapes, namesFor } from './house.ts';
import { type Names, schemaText } from './schema-text.ts';
import { anchorOf, banner, table } from './text.ts';

const deadlineMsDefault = 2_000;
const bodySizeBytesDefault = 256 * 1024;

/** docs/api/README.md: all operations at a glance, and what they have in common. */
export function apiIndexPage(): string {
  const rows = chapters.flatMap(({ contract }) =>
    Object.entries(contract.operations).map(([name, operation]) => [
      `[${contract.service}.${name}](${contract.service}.md#${name.toLowerCase()})`,
      `\`${operation.method} ${operation.path}\``,
      accessText(operation),
      operation.idempotency === 'required' ? 'required' : '',
    ]),
  );
  const shapes = Object.entries(commonShapes).map(
    ([name, schema]) => `type ${name} = ${schemaText(schema, namesFor({ shapes: {} }), { spellOut: true })}`,
  );
  return `${banner('contracts/*.ts and edge/gateway/pages.ts')}# API

${chapters.reduce((sum, { contract }) => sum + Object.keys(contract.operations).length, 0)} operations of ${chapters.length} services. The gateway serves those that are not for services alone; the same as OpenAPI 3.1
is in [openapi.json](openapi.json) and at \`GET /openapi.json\` of a running system. Problems are in
[errors.md](../errors.md), events in [events.md](events.md).

What all operations have in common:

- **Signing in.** \`Authorization: Bearer <accessToken>\` from \`POST /sessions\`. "Everyone" includes guests without one. An
  admin may do what staff may. A bad token is refused, also where guests may call, unless the operation ignores it.
- **Idempotency-Key.** Where it is required, a request without one is refused with 400. A repeat with the same key and
  payload gets the first answer; with another payload 422; while the first is under way, 409 or its answer. Where it is
  not required the operation can be repeated as it is.
- **If-Match.** Where it is required, send the ETag that was read: 428 without, 412 when the resource has changed.
- **Deadline.** The caller waits so long at most; \`Prefer: wait=N\` (seconds) shortens it; work that
  is taken in by then is answered 202 and goes on. It shrinks with every hop.
- **Correlation.** \`X-Correlation-Id\` is kept when a client sends one, and answered; \`traceparent\` is carried on.
- **Pages.** \`limit\` 1 to 100, \`cursor\` is the \`nextCursor\` of the page before; no \`nextCursor\` on the last page.
- **Streams.** \`application/x-ndjson\`: one JSON value a line.
- **Closed objects.** An unknown field is an error, not something to overlook.

${table(['operation', 'request', 'who', 'Idempotency-Key'], rows)}

## Shapes that all services share

\`\`\`ts
${shapes.join('\n')}
\`\`\`
`;
}

/** docs/api/<service>.md */
export function servicePage(chapter: Chapter): string {
  const { contract, shapes } = chapter;
  const names = namesFor(chapter);
  const sections = Object.entries(contract.operations).map(([name, operation]) =>
    operationText(name, operation, names),
  );
  const shapeLines = Object.entries(shapes).map(
    ([name, schema]) => `type ${name} = ${schemaText(schema, names, { spellOut: true })}`,
  );
  const shapeText = shapeLines.length === 0 ? '' : `## Shapes\n\n\`\`\`ts\n${shapeLines.join('\n')}\n\`\`\`\n`;
  const source = contract.service === 'gateway' ? 'edge/gateway/pages.ts' : `contracts/${contract.service}.ts`;
  const text = `${banner(source)}# ${contract.service}

What is written here as types is JSON; bounds and patterns stand behind \`//\`. Capitalised names are ${shapeText ? 'under [Shapes](#shapes) or ' : ''}in
[the index](README.md#shapes-that-all-services-share).

${sections.join('\n')}
${shapeText}`;
  return `${text.trimEnd()}\n`;
}

function operationText(name: string, operation: OperationDescription, names: Names): string {
  const { method, path, summary } = operation;
  const blocks = [
    schemaBlock('Path', operation.params, names),
    schemaBlock('Query', operation.query, names),
    schemaBlock(operation.stream === 'request' ? 'Each line of the body' : 'Body', operation.body, names),
    ...Object.entries(operation.responses).map(([status, schema]) =>
      schemaBlock(operation.stream === 'reply' ? `${status}, each line` : status, schema, names),
    ),
  ];
  return `## ${name}

\`${method} ${path}\`

${summary.replace(/\.?$/, '.')}

${factsOf(operation)
  .map((fact) => `- ${fact}`)
  .join('\n')}

${blocks.filter(Boolean).join('\n\n')}
`;
}

function factsOf(operation: OperationDescription): string[] {
  const { idempotency, conditional, consistency, problems = [] } = operation;
  const deadlineMs = operation.deadlineMs ?? deadlineMsDefault;
  const bodySizeBytes = operation.bodySizeBytesMax ?? bodySizeBytesDefault;
  return [
    `Who: ${accessText(operation)}${isPublic(operation) ? '' : ' (not served by the gateway)'}`,
    idempotency === 'required' ? 'Idempotency-Key: required' : '',
    conditional ? 'If-Match: required' : '',
    ...Object.entries(operation.headers ?? {}).map(
      ([name, { description, required }]) => `${name}${required ? ': required' : ''}. ${description}`,
    ),
    operation.identity === 'ignored' ? 'The Authorization header is ignored' : '',
    consistency ? `Consistency: ${consistency}` : '',
    `Deadline: ${(deadlineMs / 1000).toLocaleString('en-US')} s`,
    operation.body ? `Largest body: ${sizeText(bodySizeBytes)}` : '',
    problems.length > 0
      ? `Problems: ${problems.map((code) => `[\`${code}\`](../errors.md#${anchorOf(code)})`).join(', ')}`
      : '',
  ].filter(Boolean);
}

function schemaBlock(title: string, schema: TSchema | undefined, names: Names): string {
  if (!schema) return '';
  return `**${title}**\n\n\`\`\`ts\n${schemaText(schema, names)}\n\`\`\``;
}

function accessText({ access }: OperationDescription): string {
  const words = { anonymous: 'everyone', customer: 'customers', staff: 'staff', admin: 'admins', service: 'services' };
  return access.map((kind) => words[kind]).join(', ');
}

function sizeText(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024} MiB` : `${bytes / 1024} KiB`;
}
