/**
 * Refresh tokens: `hfr_<session>.<generation>.<secret>.<tag>`, of which the database keeps hashes.
 *
 * A token is good for one rotation. Its successor is HMAC(nonce, token) with a random nonce that is kept with the
 * session until the next rotation. So the holder of the previous token can be given the same successor again (his reply
 * was lost, or two tabs asked at once) though the successor is nowhere stored, and a thief of the database can't make
 * it, because he has no token.
 *
 * The tag is HMAC(key of the session, the rest). It tells an old token of ours from an invented one without keeping the
 * hash of every token: an old one ends the session (somebody else has used it), an invented one does nothing, so that
 * knowing a session's id isn't enough to sign its owner out.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '#kit/runtime';

const secretBytes = 32;

export interface RefreshToken {
  readonly sessionId: string;
  readonly generation: number;
  readonly secret: string;
  readonly tag: string;
  /** The whole token, as the client keeps it. */
  readonly text: string;
}

const pattern = /^hfr_([0-9A-Z]{26})\.(\d{1,9})\.([\w-]{43})\.([\w-]{22})$/;

/** Undefined when the text is no refresh token by its form. */
export function parseRefreshToken(text: string): RefreshToken | undefined {
  const parts = pattern.exec(text);
  if (!parts) return undefined;
  const [, id, generation, secret, tag] = parts as unknown as [string, string, string, string, string];
  return { sessionId: `ses_${id}`, generation: Number(generation), secret, tag, text };
}

/** What a session keeps about its tokens. */
export interface TokenState {
  readonly sessionId: string;
  readonly tagKey: Uint8Array;
  readonly generation: number;
  readonly currentHash: Uint8Array;
  readonly previousHash: Uint8Array | null;
  readonly rotationNonce: Uint8Array | null;
  readonly rotatedAtMs: number;
}

/** The first token of a new session. */
export function firstRefreshToken(sessionId: string, random: Random, nowMs: number) {
  const tagKey = random.bytes(32);
  const text = assemble(sessionId, 1, Buffer.from(random.bytes(secretBytes)).toString('base64url'), tagKey);
  const state: TokenState = {
    sessionId,
    tagKey,
    generation: 1,
    currentHash: hashOf(text),
    previousHash: null,
    rotationNonce: null,
    rotatedAtMs: nowMs,
  };
  return { text, state };
}

/**
 * What presenting a token means. `rotated`: a new state and a successor. `repeated`: the same successor as before, the
 * state stays. `reused`: a token of ours that was used up: end the session. `foreign`: not of this session.
 */
export type Presented =
  | { readonly kind: 'rotated'; readonly state: TokenState; readonly successor: string }
  | { readonly kind: 'repeated'; readonly successor: string }
  | { readonly kind: 'reused' }
  | { readonly kind: 'foreign' };

export function presentRefreshToken(
  state: TokenState,
  token: RefreshToken,
  options: { readonly nowMs: number; readonly graceMs: number; readonly freshNonce: Uint8Array },
): Presented {
  const { nowMs, graceMs, freshNonce } = options;
  const { sessionId, generation, secret } = token;
  if (!equal(assemble(sessionId, generation, secret, state.tagKey), token.text)) return { kind: 'foreign' };
  const hash = hashOf(token.text);
  if (generation === state.generation && same(hash, state.currentHash)) {
    const successor = successorOf(state, token, freshNonce, generation + 1);
    const next: TokenState = {
      ...state,
      generation: generation + 1,
      currentHash: hashOf(successor),
      previousHash: hash,
      rotationNonce: freshNonce,
      rotatedAtMs: nowMs,
    };
    return { kind: 'rotated', state: next, successor };
  }
  const isPrevious = generation === state.generation - 1 && same(hash, state.previousHash);
  if (isPrevious && state.rotationNonce && nowMs - state.rotatedAtMs <= graceMs) {
    return { kind: 'repeated', successor: successorOf(state, token, state.rotationNonce, state.generation) };
  }
  return { kind: 'reused' };
}

/** Whether a token was given out for this session, at any time: enough to end the session with it. */
export function belongsTo(state: TokenState, token: RefreshToken): boolean {
  return equal(assemble(token.sessionId, token.generation, token.secret, state.tagKey), token.text);
}

function successorOf(state: TokenState, token: RefreshToken, nonce: Uint8Array, generation: number): string {
  const secret = createHmac('sha256', nonce).update(token.text).digest('base64url');
  return assemble(state.sessionId, generation, secret, state.tagKey);
}

function assemble(sessionId: string, generation: number, secret: string, tagKey: Uint8Array): string {
  const body = `hfr_${sessionId.slice(4)}.${generation}.${secret}`;
  const tag = createHmac('sha256', tagKey).update(body).digest('base64url').slice(0, 22);
  return `${body}.${tag}`;
}

export function hashOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

function same(a: Uint8Array, b: Uint8Array | null): boolean {
  return b !== null && a.length === b.length && timingSafeEqual(a, b);
}

function equal(a: string, b: string): boolean {
  return same(Buffer.from(a), Buffer.from(b));
}
