import { type Problem, problemReply } from '#kit/contract';
import type { Ids } from '#kit/runtime';
import { type Headers, isCorrelationId } from './headers.ts';

/** A reply of the hop's own. */
export interface OwnReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface AnsweredRequest {
  readonly method?: string | undefined;
  readonly headers: Headers;
}

/**
 * A problem as the gateway would answer it, so that programs need to know one form of errors; for browsers that want to show
 * something, a page. Of HEAD only what is said of the body.
 */
export function ownReply(problem: Problem, { method, headers }: AnsweredRequest, ids: Ids): OwnReply {
  const given = headers['x-correlation-id'];
  const correlationId = isCorrelationId(given) ? given : ids.next('cor');
  const reply = problemReply(problem, correlationId);
  const asPage = wantsPage(headers['accept']?.toString());
  const body = asPage ? pageOf(problem, correlationId) : JSON.stringify(reply.body);
  return {
    status: reply.status,
    headers: {
      ...reply.headers,
      ...(asPage ? pageHeaders : {}),
      'cache-control': 'no-store',
      'content-length': String(Buffer.byteLength(body)),
      'x-content-type-options': 'nosniff',
      'x-correlation-id': correlationId,
    },
    body: method === 'HEAD' ? '' : body,
  };
}

/** Browsers name HTML when they go somewhere, and not when a script asks; programs name JSON, or nothing. */
export function wantsPage(accept = ''): boolean {
  const weightOf = (type: string) => {
    const part = accept.split(',').find((each) => each.split(';', 1)[0]?.trim().toLowerCase() === type);
    if (part === undefined) return 0;
    const weight = Number(/;\s*q=([\d.]+)/i.exec(part)?.[1] ?? 1);
    return Number.isNaN(weight) ? 0 : weight;
  };
  const html = weightOf('text/html');
  return html > 0 && html >= Math.max(weightOf('application/json'), weightOf('application/problem+json'));
}

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
};

/** Whose fault it is decides what a shopper can do about it. */
function pageOf({ status, title, category }: Problem, correlationId: string): string {
  const advice = category === 'input' && status !== 429 ? 'Please check the address.' : 'Please try again in a moment.';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1.5rem}small{opacity:.7}</style>
<h1>${title}</h1>
<p>${advice}</p>
<p><small>${status} · ${correlationId}</small></p>
</html>
`;
}
