import { constants } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** In order of preference, where a client likes several alike. zstd is the cheapest for JSON, then br, then gzip. */
const encodings = ['zstd', 'br', 'gzip'] as const;

export interface CompressionOptions {
  /** Smaller replies are sent as they are. Default 1,024: below, a packet holds them anyway and the time is lost. */
  readonly sizeBytesMin?: number;
}

export const compressionSizeBytesMinDefault = 1_024;
/** JSON of every kind, our streams of it among them, and text but for event streams, which must not wait. */
const compressibleTypes = /^text\/(?!event-stream)|[/+-](?:nd)?json\s*(?:;|$)/;
/** Up to this it costs less to compress at once than to hand over to a thread (about 0.2 ms). */
const atOnceSizeBytesMax = 32 * 1024;

/**
 * Compresses what the routes of `addRoutes` answer. A compressed reply is another representation, so its ETag is another
 * one (RFC 9110, section 8.8.3.3): `"7"` becomes `"7;br"`. Both name version 7 to us, see `plainTags`.
 */
export function compressReplies(
  app: FastifyInstance,
  { sizeBytesMin = compressionSizeBytesMinDefault }: CompressionOptions,
  addRoutes: (scope: FastifyInstance) => void,
): void {
  app.register(async (scope) => {
    // Only doors to the outside compress: the processes behind them start sooner without loading it.
    const { default: compress } = await import('@fastify/compress');
    await scope.register(compress, {
      encodings: [...encodings],
      threshold: sizeBytesMin,
      customTypes: compressibleTypes,
      syncThreshold: atOnceSizeBytesMax,
      // Level 4 as on the web's servers: 11 costs a hundred times as much for a tenth.
      brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
      // Requests come as they are: see `refusesEncoding`.
      globalDecompression: false,
    });
    // Hooks that the library has added to a route come before this one.
    scope.addHook('onRoute', (route) => {
      route.onSend = [route.onSend ?? [], nameRepresentation(sizeBytesMin)].flat();
    });
    addRoutes(scope);
  });
}

const tagEnding = /;(?:zstd|br|gzip)"/g;

/** Conditional headers as services know them: which coding a client got its version in is nothing to them. */
export function plainTags(headers: FastifyRequest['headers']): FastifyRequest['headers'] {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (!match?.includes(';') && !noneMatch?.includes(';')) return headers;
  return {
    ...headers,
    ...(match === undefined ? {} : { 'if-match': match.replaceAll(tagEnding, '"') }),
    ...(noneMatch === undefined ? {} : { 'if-none-match': noneMatch.replaceAll(tagEnding, '"') }),
  };
}

/**
 * A small body can unpack to gigabytes, and JSON that is worth compressing is larger than our limits: so no content coding
 * is accepted, rather than one that has to be bounded.
 */
export function refusesEncoding({ headers }: FastifyRequest): boolean {
  const coding = headers['content-encoding'];
  return coding !== undefined && coding.trim().toLowerCase() !== 'identity';
}

type SendHook = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: SendDone) => void;
type SendDone = (error: Error | null, payload?: unknown) => void;

function nameRepresentation(sizeBytesMin: number): SendHook {
  return (request, reply, payload, done) => {
    const coding = reply.getHeader('content-encoding');
    const tag = reply.getHeader('etag');
    if (coding !== undefined) {
      // What was compressed beforehand bears its name already.
      const isNamed = typeof tag !== 'string' || tag.endsWith(`;${coding}"`);
      if (!isNamed) reply.header('etag', tag.replace(/"$/, `;${coding}"`));
    } else if (reply.statusCode === 304) {
      if (typeof tag === 'string') reply.header('etag', tagAsKnown(request, tag));
      vary(reply);
    } else if (mightBeCompressed(payload, sizeBytesMin)) vary(reply);
    done(null, payload);
  };
}

/** A cache looks for the representation that it has by the tag that it got with it. */
function tagAsKnown({ headers }: FastifyRequest, tag: string): string {
  const known = headers['if-none-match'] ?? '';
  const coding = encodings.find((each) => known.includes(tag.replace(/"$/, `;${each}"`)));
  return coding === undefined ? tag : tag.replace(/"$/, `;${coding}"`);
}

function mightBeCompressed(payload: unknown, sizeBytesMin: number): boolean {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return payload.length >= sizeBytesMin;
  return payload !== undefined && payload !== null;
}

/** Whether a client gets it compressed depends on what it accepts: caches must know, also of what isn't compressed. */
function vary(reply: FastifyReply): void {
  const known = reply.getHeader('vary');
  if (known === undefined) reply.header('vary', 'accept-encoding');
  else if (!String(known).includes('accept-encoding')) reply.header('vary', `${String(known)}, accept-encoding`);
}
