import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSession } from './session.ts';

const tokens = (name: string) => ({
  accessToken: `access ${name}`,
  expiresInSec: 900,
  refreshToken: `refresh ${name}`,
  sessionId: `ses_${name}`,
});
const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

/** What was asked and has no answer yet, by method and path. */
const waiting = new Map<string, (reply: Response) => void>();
const isAsked = (path: string) => expect.poll(() => [...waiting.keys()]).toContain(path);
async function answer(path: string, reply: Response): Promise<void> {
  await isAsked(path);
  waiting.get(path)?.(reply);
  waiting.delete(path);
}

beforeEach(() => {
  waiting.clear();
  const values = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => values.get(name) ?? null,
    setItem: (name: string, value: string) => void values.set(name, value),
    removeItem: (name: string) => void values.delete(name),
  });
  vi.stubGlobal('addEventListener', () => {});
  vi.stubGlobal('fetch', (url: string, { method = 'GET' }: RequestInit) => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    waiting.set(`${method} ${url}`, resolve);
    return promise;
  });
});
afterEach(() => void vi.unstubAllGlobals());

async function signedIn() {
  const told: boolean[] = [];
  const session = createSession({ name: 'test', onChange: (now) => void told.push(now) });
  const done = session.signIn('ada@example.com', 'a quite unlikely pass phrase');
  await answer('POST /sessions', json(tokens('one'), 201));
  await done;
  return { session, told };
}

test('whoever signs out while a new token is on its way stays signed out', async () => {
  const { session, told } = await signedIn();
  const renewed = session.onTokenRefused();
  await isAsked('POST /sessions/refresh');
  const out = session.signOut();
  await answer('POST /sessions/refresh', json(tokens('two')));
  expect(await renewed).toBe(false);
  expect([session.signedIn, await session.token()]).toEqual([false, undefined]);
  expect(told).toEqual([true, false]);
  await answer('POST /sessions/sign-out', json({}));
  await out;
});

test('a token that is refused late does not end the session of who has signed in meanwhile', async () => {
  const { session } = await signedIn();
  const renewed = session.onTokenRefused();
  await isAsked('POST /sessions/refresh');
  const other = session.signIn('grace@example.com', 'another unlikely pass phrase');
  await answer('POST /sessions', json(tokens('other'), 201));
  await other;
  await answer('POST /sessions/refresh', json({ code: 'users/refresh-refused', status: 401 }, 401));
  expect(await renewed).toBe(true);
  expect([session.sessionId, await session.token()]).toEqual(['ses_other', 'access other']);
});
