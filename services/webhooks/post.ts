import { Agent, request } from 'undici';
import { guardedLookup, urlMistake } from './guard.ts';

export interface Posted {
  /** Absent where no answer came. */
  readonly status?: number;
  /** How the answer began. */
  readonly answer?: string;
  readonly error?: string;
  /** How long the receiver wants to be left alone. */
  readonly retryAfterMs?: number;
}

/** Posts a message. Never rejects: whatever goes wrong is an outcome, too. */
export interface Poster {
  post(url: string, headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<Posted>;
  close(): Promise<void>;
}

const answerCharsMax = 1_000;
const answerBytesMax = 4_000;
/** A receiver that asks for more is asked again after this. */
const retryAfterSecMax = 86_400;

export interface PosterOptions {
  /** Lets endpoints be on this machine and in this network. Default false. */
  readonly allowPrivate?: boolean;
  /** For an answer, and for each silence within it. Default 15,000 ms, as Standard Webhooks wants 15 to 30 s. */
  readonly timeoutMs?: number;
}

/** Follows no redirect: the specification takes one as a failure, and it could lead to a private address. */
export function createPoster({ allowPrivate = false, timeoutMs = 15_000 }: PosterOptions): Poster {
  const agent = new Agent({
    connect: { timeout: timeoutMs, ...(allowPrivate ? {} : { lookup: guardedLookup as never }) },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 4_000,
    pipelining: 1,
  });
  return {
    async post(url, headers, body, signal) {
      // Addresses that are numbers are never looked up, and one may have been taken while private ones were let in.
      const mistake = urlMistake(url, allowPrivate);
      if (mistake !== undefined) return { error: `the address ${mistake}` };
      try {
        const reply = await request(url, { method: 'POST', headers, body, dispatcher: agent, signal });
        const answer = await beginningOf(reply.body as AsyncIterable<Buffer>);
        const afterSec = Number(reply.headers['retry-after']);
        return {
          status: reply.statusCode,
          ...(answer === '' ? {} : { answer }),
          ...(afterSec > 0 ? { retryAfterMs: Math.min(afterSec, retryAfterSecMax) * 1_000 } : {}),
        };
      } catch (error) {
        return { error: causeOf(error) };
      }
    },
    close: () => agent.destroy(),
  };
}

/** The rest is left unread, and the connection given up with it. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= answerBytesMax) break;
  }
  // NUL is the one sign that a text of PostgreSQL can't hold.
  return Buffer.concat(chunks).toString('utf8').replaceAll('\0', '').slice(0, answerCharsMax);
}

function causeOf(error: unknown): string {
  const { message, cause, code } = error as Error & { code?: string };
  const inner = cause instanceof Error ? cause.message : '';
  return [message, inner, code].find((text) => text !== undefined && text !== '') ?? 'it failed without a word';
}
