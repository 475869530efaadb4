import { type SavedAddress, type users, usersProblems } from '#contracts/users';
import { checkIfMatch, contractProblems, type Handlers } from '#kit/contract';
import { claimKeys, completeKeys, fingerprintOf } from '#kit/idempotency';
import type { Deps } from './deps.ts';
import { etagOf } from './model.ts';
import {
  countAddresses,
  deleteAddress,
  findAddress,
  insertAddress,
  listAddresses,
  lockAddress,
  lockById,
  saveAddress,
} from './store.ts';

type AddressOperations = 'listAddresses' | 'addAddress' | 'getAddress' | 'replaceAddress' | 'deleteAddress';

/** Of one address book. */
export const addressesMax = 50;

export function addressHandlers({ world, database }: Deps): Pick<Handlers<typeof users>, AddressOperations> {
  return {
    async listAddresses(_input, context) {
      return { status: 200, body: { items: await listAddresses(database, context.caller.id, addressesMax) } };
    },

    async addAddress({ body }, context) {
      const userId = context.caller.id;
      const claim = { scope: userId, key: `address:${context.idempotencyKey}`, fingerprint: fingerprintOf(body) };
      const id = world.ids.next('adr');
      const saved = await database.transaction(async (tx) => {
        const [claimed] = await claimKeys(tx, [claim]);
        if (claimed?.state === 'done') return claimed.result as SavedAddress;
        if (claimed?.state === 'mismatch') throw contractProblems['idempotency-key-reused']();
        if (claimed?.state !== 'claimed') throw contractProblems['idempotency-key-in-flight']();
        // The user's row is held so that the count stays true until the commit.
        if (!(await lockById(tx, userId))) throw usersProblems['not-found']();
        if ((await countAddresses(tx, userId)) >= addressesMax) throw usersProblems['too-many-addresses']();
        const made = await insertAddress(tx, userId, id, body, world.clock.now());
        await completeKeys(tx, [{ scope: claim.scope, key: claim.key, result: made }]);
        return made;
      });
      const headers = { etag: etagOf(saved.version), location: `/users/me/addresses/${saved.id}` };
      return { status: 201, body: saved, headers };
    },

    async getAddress({ params }, context) {
      return addressReply(await findAddress(database, context.caller.id, params.addressId));
    },

    async replaceAddress({ params, body }, context) {
      const userId = context.caller.id;
      const saved = await database.transaction(async (tx) => {
        const current = existing(await lockAddress(tx, userId, params.addressId));
        checkIfMatch(context, etagOf(current.version));
        return saveAddress(tx, userId, params.addressId, body);
      });
      return addressReply(saved);
    },

    async deleteAddress({ params }, context) {
      const userId = context.caller.id;
      await database.transaction(async (tx) => {
        const current = existing(await lockAddress(tx, userId, params.addressId));
        checkIfMatch(context, etagOf(current.version));
        await deleteAddress(tx, userId, params.addressId);
      });
      return { status: 204, body: undefined };
    },
  };
}

function existing(address: SavedAddress | undefined): SavedAddress {
  if (!address) throw usersProblems['not-found']();
  return address;
}

function addressReply(address: SavedAddress | undefined) {
  const saved = existing(address);
  return { status: 200, body: saved, headers: { etag: etagOf(saved.version) } } as const;
}
