import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import type { Random } from '#kit/runtime';
import { EmbeddedPostgresError, systemCode } from './errors.ts';

/** Generated passwords by name, in one file that only its owner can read. Never printed or logged. */
export interface Secrets {
  get(name: string): string | undefined;
  /** The secret of that name, generated and saved when there is none. */
  ensure(name: string): string;
}

/** 24 bytes: out of reach of guessing, and 32 characters that need no escaping in a URL. */
const secretBytes = 24;

/**
 * The secrets in the file at `path`, which is made with the first of them. Each use of it throws `EmbeddedPostgresError`
 * (`secrets-damaged`) where the file holds anything else; it is left as it is, for whoever has a copy.
 */
export function openSecrets(path: string, random: Random): Secrets {
  return {
    get: (name) => readSecrets(path)[name],
    // Read each time: another process may have added to the file since.
    ensure(name) {
      const secrets = readSecrets(path);
      const known = secrets[name];
      if (known !== undefined) return known;
      const secret = Buffer.from(random.bytes(secretBytes)).toString('base64url');
      secrets[name] = secret;
      writeSecrets(path, secrets);
      return secret;
    },
  };
}

function readSecrets(path: string): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return {};
    throw error;
  }
  const secrets = parsed(text);
  if (isSecrets(secrets)) return secrets;
  throw new EmbeddedPostgresError(
    'secrets-damaged',
    `The file of passwords ${path} is damaged: put a copy of it in its place; nobody else knows what was in it.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSecrets(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((secret) => typeof secret === 'string');
}

/** Complete or not at all, and on the disk before anyone is told the secret. */
function writeSecrets(path: string, secrets: Record<string, string>): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', 0o600);
  try {
    writeSync(file, `${JSON.stringify(secrets, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
