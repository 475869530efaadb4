import { request } from 'undici';
import { systemTimers } from '#kit/runtime';
import type { Role } from './judge.ts';

interface Account {
  readonly email: string;
  readonly password: string;
}

type SignIn = Readonly<Record<Exclude<Role, 'anonymous'>, () => Promise<string>>>;

const attemptsMax = 10;

/** A system that has too much to do just now, also by what it is asked for here, is asked again. */
async function ask<T>(method: 'POST' | 'PUT', url: string, body: unknown, headers: object = {}): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const reply = await request(url, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    if (reply.statusCode < 300) return (await reply.body.json()) as T;
    const text = await reply.body.text();
    const afterSec = Number(reply.headers['retry-after']);
    if (!(afterSec > 0) || attempt === attemptsMax) throw new Error(`${method} ${url}: ${reply.statusCode} ${text}`);
    await systemTimers.sleep(afterSec * 1_000);
  }
}

/** An access token. */
export async function signInAt(origin: string, { email, password }: Account): Promise<string> {
  return (await ask<{ accessToken: string }>('POST', `${origin}/sessions`, { email, password })).accessToken;
}

/**
 * Makes a customer and somebody of the staff, whose names nobody has yet, and says how all three roles sign in. `admin` gives
 * an access token.
 */
export async function accountsFor(origin: string, admin: () => Promise<string>, run: string): Promise<SignIn> {
  async function open(name: string): Promise<Account & { readonly id: string }> {
    const account = { email: `fuzz-${name}-${run}@example.com`, password: `a long walk with ${run}` };
    return { ...account, ...(await ask<{ id: string }>('POST', `${origin}/users`, account)) };
  }
  const [customer, staff] = [await open('customer'), await open('staff')];
  const headers = { authorization: `Bearer ${await admin()}`, 'if-match': '*' };
  await ask('PUT', `${origin}/users/${staff.id}/role`, { role: 'staff' }, headers);
  return { customer: () => signInAt(origin, customer), staff: () => signInAt(origin, staff), admin };
}
