import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { EmbeddedPostgresError } from './errors.ts';

/** Who the server runs as. PostgreSQL refuses root, and refuses a uid that the system has no name for. */
export interface Account {
  readonly name: string;
  /** Absent when the server runs as the user who starts it. */
  readonly ids?: { readonly uid: number; readonly gid: number };
}

/** For root: `nobody`, or `postgres` where there is no nobody. For anyone else: themselves. */
export function serverAccount(): Account {
  const uid = process.getuid?.();
  if (uid === undefined) return { name: 'current user' };
  const accounts = readAccounts();
  if (uid !== 0) {
    const own = accounts.find((account) => account.uid === uid);
    // Directory services (LDAP) know users that the file doesn't; `id -nu` asks them as PostgreSQL will.
    const name = own?.name ?? spawnSync('id', ['-nu'], { encoding: 'utf8' }).stdout?.trim();
    if (name && !/^\d+$/.test(name)) return { name };
    throw new EmbeddedPostgresError(
      'account',
      `PostgreSQL refuses to run as user ${uid}, which has no entry in /etc/passwd: add one, or run as another user.`,
    );
  }
  const found = accounts.find(({ name }) => name === 'nobody') ?? accounts.find(({ name }) => name === 'postgres');
  if (found) return { name: found.name, ids: { uid: found.uid, gid: found.gid } };
  throw new EmbeddedPostgresError(
    'account',
    'PostgreSQL refuses to run as root and there is no user "nobody" to run it as: add one, or start as another user.',
  );
}

function readAccounts(): { name: string; uid: number; gid: number }[] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
      .filter(({ name, uid, gid }) => name !== '' && Number.isInteger(uid) && Number.isInteger(gid));
  } catch {
    return [];
  }
}

export interface RunResult {
  readonly ok: boolean;
  readonly output: string;
}

/**
 * Runs a short command as the server's account and brings its output. From `/`, because a child whose working
 * directory it may not enter fails in ways that name the wrong file.
 */
export function runAs(account: Account, command: string, args: readonly string[]): RunResult {
  const result = spawnSync(command, args, { ...account.ids, cwd: '/', encoding: 'utf8', env: serverEnvironment });
  if (result.error) return { ok: false, output: result.error.message };
  return { ok: result.status === 0, output: `${result.stdout}${result.stderr}`.trim() };
}

/**
 * Nothing is inherited: PGPORT, PGDATA or LC_ALL of the user's shell must not change the server, and messages stay
 * in English because the server's state is read from them.
 */
export const serverEnvironment: NodeJS.ProcessEnv = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Whether the account can create files in the directory: tried, because modes, ACLs and mounts all have a say. */
export function canWrite(account: Account, directory: string): RunResult {
  return runAs(account, '/bin/sh', ['-c', ': > "$1/.probe" && rm "$1/.probe"', 'sh', directory]);
}
