import { type Role, users } from '#contracts/users';
import { createClient, isProblem } from '#kit/contract';
import { createUsers } from '#services/users';
import type { Round } from '../rig.ts';
import { crowd, roadblock, type Workload } from '../workload.ts';
import { callAs } from './call.ts';

/** Admins take one another's role away at the same moment. A shop without an admin can't get one back. */
export const admins: Workload = {
  name: 'admins',
  summary: 'users: admins who demote and promote one another at once',
  tables: ['user_account', 'lab_effect'],
  async round(round) {
    const ids = Array.from({ length: round.between(2, 3) }, (_, i) => `usr_0000000000000000000000000${i}`);
    await round.plain.query(addAdminsSql, [ids]);
    const programs = [];
    for (let i = crowd(round, 8); i > 0; i--) programs.push(await admin(round, `users-${i}`, ids));
    programs.push(await roadblock(round, 'select from user_account where id = $1 for update', ids));
    await round.run(programs);
    await checkAdmins(round);
  },
};

const addAdminsSql = `
  insert into user_account (id, email, email_key, role, password_hash, created_at)
  select id, id || '@example.com', id, 'admin', '', now() from unnest($1::text[]) as id`;

async function admin(round: Round, name: string, ids: readonly string[]) {
  const { world, open } = round.process(name);
  const { server } = createUsers({
    world,
    database: await open(),
    keyEncryptionSecret: 'of no use outside of the lab',
    async publish(tx, events) {
      for (const { type, key } of events) {
        await tx.query('insert into lab_effect (key, what) values ($1, $2)', [key, type]);
      }
    },
  });
  const client = createClient(users, { transport: { send: server.handle }, clock: world.clock });
  const changes = Array.from({ length: round.between(1, 4) }, () => ({
    userId: round.pick(ids),
    role: (round.chance(0.85) ? 'customer' : 'admin') as Role,
  }));
  return async () => {
    for (const { userId, role } of changes) {
      const { rows } = await round.plain.query<{ version: number }>('select version from user_account where id = $1', [
        userId,
      ]);
      const headers = { 'if-match': `"${rows[0]?.version}"` };
      try {
        await client.setRole({ params: { userId }, body: { role }, headers }, callAs({ kind: 'admin', id: 'usr_lab' }));
      } catch (error) {
        // The last one, or changed since it was looked at.
        if (!isProblem(error) || !['users/last-admin', 'contract/precondition-failed'].includes(error.code))
          throw error;
      }
    }
  };
}

async function checkAdmins(round: Round): Promise<void> {
  const { rows } = await round.plain.query<{ admins: number; changes: number; told: number }>(
    `select (select count(*) from user_account where role = 'admin')::int as admins,
       (select sum(version - 1) from user_account)::int as changes, (select count(*) from lab_effect)::int as told`,
  );
  const { admins: left, changes, told } = rows[0] as { admins: number; changes: number; told: number };
  if (left === 0) round.violate('there is always an admin', 'each was demoted by another');
  if (changes !== told) round.violate('each change is told once', `${changes} changes, ${told} events`);
}
