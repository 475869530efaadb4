import { isProblem } from '#kit/contract';
import { createSessions, type Sessions } from '../../../services/users/sessions.ts';
import { createSigningKeys, type SigningKeys } from '../../../services/users/signing-keys.ts';
import type { Account } from '../../../services/users/store.ts';
import type { LabProcess, Round } from '../rig.ts';
import { crowd, type Workload } from '../workload.ts';
import { callAs } from './call.ts';

/** Tabs, devices and a thief present refresh tokens of the same sessions to several instances at once. */
export const refresh: Workload = {
  name: 'refresh',
  summary: 'users: refresh tokens presented by several tabs and a thief at once, and signed out meanwhile',
  tables: ['user_account', 'lab_effect'],
  async round(round) {
    await round.plain.query(addUserSql);
    const home = round.process('home');
    const signingKeys = createSigningKeys({ ...home, database: round.plain, keyEncryptionSecret: secret });
    await signingKeys.rotate();
    const first = instance(round, home, round.plain, signingKeys);
    const families: Family[] = [];
    for (let i = round.between(1, 3); i > 0; i--) {
      const { refreshToken } = await first.open(account, undefined);
      families.push({ tokens: [refreshToken], children: new Map() });
    }
    // In half of the rounds everybody presents the first token, as tabs do that wake up together.
    const isTabsOnly = round.chance(0.5);
    const programs = [];
    for (let i = crowd(round); i > 0; i--) {
      const process = round.process(`users-${i}`);
      const sessions = instance(round, process, await process.open(), signingKeys);
      for (let k = round.between(1, 2); k > 0; k--) programs.push(client(round, sessions, families, isTabsOnly));
    }
    await round.run(programs);
    await checkFamilies(round, families, isTabsOnly);
  },
};

const secret = 'of no use outside of the lab';
const account: Account = {
  user: { id: 'usr_lab', email: 'lab@example.com', role: 'customer', createdAt: '', version: 1 },
  passwordHash: '',
  credentialVersion: 1,
};
const addUserSql = `
  insert into user_account (id, email, email_key, role, password_hash, created_at)
  values ('usr_lab', 'lab@example.com', 'lab@example.com', 'customer', '', now())`;

interface Family {
  /** In the order in which they became known. */
  readonly tokens: string[];
  readonly children: Map<string, Set<string>>;
}

function instance(
  round: Round,
  { world }: LabProcess,
  database: typeof round.plain,
  signingKeys: SigningKeys,
): Sessions {
  return createSessions({
    world,
    database,
    signingKeys,
    refreshGraceMs: 3_600_000,
    async publish(tx, events) {
      for (const { type, data } of events) {
        const { sessionId } = data as { sessionId: string };
        await tx.query('insert into lab_effect (key, what) values ($1, $2)', [sessionId, type]);
      }
    },
  });
}

function client(round: Round, sessions: Sessions, families: readonly Family[], isTabsOnly: boolean) {
  const tries = Array.from({ length: isTabsOnly ? 1 : round.between(1, 5) }, () => ({
    family: round.pick(families),
    // Mostly the newest that it can know; a thief has an old one.
    age: isTabsOnly || round.chance(0.8) ? 0 : round.between(1, 3),
    signsOut: !isTabsOnly && round.chance(0.05),
  }));
  return async () => {
    for (const { family, age, signsOut } of tries) {
      const token = family.tokens.at(-1 - Math.min(age, family.tokens.length - 1)) as string;
      if (signsOut) await sessions.close(token);
      else await present(sessions, family, token);
    }
  };
}

async function present(sessions: Sessions, { tokens, children }: Family, token: string): Promise<void> {
  try {
    const { refreshToken } = await sessions.refresh(token, callAs({ kind: 'anonymous', id: 'anonymous' }));
    const known = children.get(token) ?? new Set();
    children.set(token, known.add(refreshToken));
    if (!tokens.includes(refreshToken)) tokens.push(refreshToken);
  } catch (error) {
    if (!isProblem(error) || error.category !== 'auth') throw error;
    children.set(token, (children.get(token) ?? new Set()).add('refused'));
  }
}

async function checkFamilies(round: Round, families: readonly Family[], isTabsOnly: boolean): Promise<void> {
  const { rows } = await round.plain.query<{ id: string; generation: number; ended: string | null; alarms: number }>(
    `select id, generation, ended_why as ended,
       (select count(*) from lab_effect where key = session.id)::int as alarms from session`,
  );
  for (const { tokens, children } of families) {
    for (const answers of children.values()) {
      const born = [...answers].filter((answer) => answer !== 'refused');
      if (born.length > 1) round.violate('one child per refresh token', `${born.length} successors of one token`);
    }
    const id = `ses_${(tokens[0] as string).slice(4, 30)}`;
    const session = rows.find((row) => row.id === id);
    const parents = [...children.values()].filter((answers) => [...answers].some((answer) => answer !== 'refused'));
    if (session && session.ended === null && session.generation !== parents.length + 1) {
      round.violate('one rotation per token', `generation ${session.generation} after ${parents.length} rotations`);
    }
    const refused = children.get(tokens[0] as string)?.has('refused');
    if (isTabsOnly && refused) round.violate('tabs that ask at once all get the same token', 'one was refused');
    const alarms = session?.ended === 'reuse' ? 1 : 0;
    if (session && session.alarms !== alarms) {
      round.violate('a reuse is told once', `${session.alarms} alarms, session ended: ${session.ended ?? 'no'}`);
    }
  }
}
