export interface CorsOptions {
  /** Origins (`https://shop.example`) whose pages may call, or `*` for all. Tokens travel in a header, never in cookies. */
  readonly origins: readonly string[] | '*';
  /** How long a browser may keep the answer to a preflight. Default 600 s. */
  readonly maxAgeSec?: number;
}

const exposed = 'etag, location, retry-after, link, x-correlation-id';
const allowedHeaders =
  'authorization, content-type, idempotency-key, if-match, if-none-match, prefer, traceparent, x-correlation-id';
const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE';

export interface CorsAnswer {
  readonly headers: Readonly<Record<string, string>>;
  /** The request only asks for permission (a preflight), and the headers are the whole answer. */
  readonly isPreflight: boolean;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What the Fetch standard wants said to a page of another origin. Small enough to be seen whole, so it's no library. */
export function answerCors(options: CorsOptions, method: string, headers: Headers): CorsAnswer {
  const { origins, maxAgeSec = 600 } = options;
  const { origin } = headers;
  const vary = origins === '*' ? {} : { vary: 'origin' };
  if (typeof origin !== 'string') return { headers: vary, isPreflight: false };
  const isPreflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  if (origins !== '*' && !origins.includes(origin)) return { headers: vary, isPreflight };
  const allowed = { ...vary, 'access-control-allow-origin': origins === '*' ? '*' : origin };
  if (!isPreflight) return { headers: { ...allowed, 'access-control-expose-headers': exposed }, isPreflight };
  return {
    headers: {
      ...allowed,
      'access-control-allow-methods': allowedMethods,
      'access-control-allow-headers': allowedHeaders,
      'access-control-max-age': String(maxAgeSec),
    },
    isPreflight,
  };
}
