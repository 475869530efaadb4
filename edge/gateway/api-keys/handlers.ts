import { type ApiKeyView, type gateway, gatewayProblems } from '#contracts/gateway';
import type { Caller, Handlers } from '#kit/contract';
import type { ApiKey, ApiKeys } from './index.ts';

type KeyHandlers = Pick<Handlers<typeof gateway>, 'createApiKey' | 'listApiKeys' | 'revokeApiKey'>;

/** Keys are for admins who signed in: a key can't make others, so one that was stolen ends with its revocation. */
export function createKeyHandlers(keys: ApiKeys | undefined): KeyHandlers {
  function known(caller: Caller): ApiKeys {
    if (!keys) throw gatewayProblems['no-keys']();
    if (caller.id.startsWith('key_')) throw gatewayProblems['key-not-allowed']({ detail: 'keys are made by people' });
    return keys;
  }
  return {
    async createApiKey({ body }, { caller }) {
      const { name, role = 'staff', operations, readsOnly = false, perSecond = 1_000, expiresInDays } = body;
      const wanted = { name, role, operations, readsOnly, perSecond, expiresInDays, createdBy: caller.id };
      const { key, about } = await known(caller).create(wanted);
      return { status: 201, body: { key, ...viewOf(about) } };
    },
    async listApiKeys(_input, { caller }) {
      return { status: 200, body: { items: (await known(caller).list()).map(viewOf) } };
    },
    async revokeApiKey({ params: { keyId } }, { caller }) {
      const about = await known(caller).revoke(keyId, caller.id);
      if (!about) throw gatewayProblems['unknown-key']();
      return { status: 200, body: viewOf(about) };
    },
  };
}

function viewOf({ createdAt, expiresAt, lastUsedAt, revokedAt, operations, perSecond, ...rest }: ApiKey): ApiKeyView {
  return {
    ...rest,
    operations: [...operations],
    perSecond: perSecond as ApiKeyView['perSecond'],
    createdAt: createdAt.toISOString(),
    ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}),
    ...(lastUsedAt ? { lastUsedAt: lastUsedAt.toISOString() } : {}),
    ...(revokedAt ? { revokedAt: revokedAt.toISOString() } : {}),
  };
}
