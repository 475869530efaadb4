import type { ProblemDescription, Retry } from '#kit/contract';
import { problemTables } from './house.ts';
import { banner, table } from './text.ts';

const titles: Readonly<Record<string, string>> = { contract: 'Any operation', gateway: 'The gateway' };

/** docs/errors.md: every problem with what to do about it. */
export function errorsPage(): string {
  const sections = [...problemTables].map(([prefix, problems]) => {
    const rows = Object.entries(problems).map(([code, problem]) => row(code, problem));
    return `## ${titles[prefix] ?? prefix}\n\n${table(['code', 'status', 'category', 'repeat', 'meaning', 'what to do'], rows)}`;
  });
  return `${banner('kit/contract/problem.ts, contracts/*.ts and edge/gateway/problems.ts')}# Errors

Every error is a problem document (RFC 9457, \`application/problem+json\`): \`type\`, \`title\`, \`status\`, \`detail\`, and
besides \`code\`, \`category\`, \`retry\`, \`hint\`, \`correlationId\`, and \`errors\` with a pointer to each wrong place. The
\`type\` is a path that the gateway answers: \`GET /problems/orders/not-found\`.

Two axes decide what a program does:

- \`category\`: \`input\`, \`auth\`, \`conflict\`, \`unavailable\`, \`timeout\`, \`internal\`: whose fault it is. Breakers count the last
  three.
- \`retry\`: \`"never"\`; \`"same-key"\`: repeat with the same Idempotency-Key, the outcome may be unknown; or \`{"afterMs":
  1000}\`: repeat with the same key, no sooner. The last comes with a \`Retry-After\` header.

${sections.join('\n\n')}
`;
}

function row(code: string, { status, category, retry, title, hint }: ProblemDescription): string[] {
  return [`<a id="${code.replace('/', '-')}"></a>\`${code}\``, String(status), category, retryText(retry), title, hint];
}

function retryText(retry: Retry): string {
  if (retry === 'never') return 'never';
  return retry === 'same-key' ? 'same key' : `same key, after ${retry.afterMs} ms`;
}
