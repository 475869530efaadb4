import { EmbeddedPostgresError } from '#kit/store/embedded';

/** What a command ends with; scripts rely on it. */
export const exitCodes = { ok: 0, internal: 1, usage: 2, auth: 3, unavailable: 4, checkFailed: 5 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that the user can do something about: the message is one sentence with the remedy. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.exitCode = exitCode;
  }
}

export interface Explanation {
  readonly sentence: string;
  readonly exitCode: ExitCode;
}

/** What to print for any error, and what to exit with. */
export function explain(error: unknown): Explanation {
  if (error instanceof Failure) return { sentence: error.message, exitCode: error.exitCode };
  if (error instanceof EmbeddedPostgresError) {
    // PostgreSQL's words for a limit on open files that is too low for it.
    const sentence = /System allows \d+, server needs at least \d+/.test(error.message) ? tooFewFiles : error.message;
    return { sentence, exitCode: exitCodes.unavailable };
  }
  for (const each of causes(error)) {
    const sentence = explainCode(each) ?? explainCategory(each);
    if (sentence) return { sentence, exitCode: exitCodes.unavailable };
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { sentence: `Something that should not happen did: ${detail}`, exitCode: exitCodes.internal };
}

const tooFewFiles = 'This shell allows too few open files: raise the limit (ulimit -n 1024) and try again.';
const causesMax = 8;

/** The error and what caused it: a service wraps what it could not do, and the reason is at the bottom. */
function causes(error: unknown): CodedError[] {
  const chain: CodedError[] = [];
  for (let each = error; each instanceof Error && chain.length < causesMax; each = each.cause) chain.push(each);
  return chain;
}

interface CodedError extends Error {
  /** Of Node (`ENOSPC`) or of PostgreSQL (`53100`). */
  readonly code?: string;
  /** Of an error that says whose fault it is (kit/resilience). */
  readonly category?: string;
  readonly path?: string;
  readonly port?: number;
  readonly address?: string;
  /** That has no address. */
  readonly hostname?: string;
}

function explainCategory({ category, message }: CodedError): string | undefined {
  return category === 'unavailable' ? `Something does not answer (${message}): try again when it does.` : undefined;
}

function explainCode(error: CodedError): string | undefined {
  const { code, path = 'the data directory', port, address, hostname, message } = error;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use: stop the program that listens there, or choose another with --port.`;
    case 'EADDRNOTAVAIL':
      return `This machine can't listen on ${address ?? 'that address'} (${code}): give one of its own addresses.`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `The disk that holds ${path} is full: free some space, or choose another place with --data-dir.`;
    case '53100':
      return `The database server's disk is full (${message}): free some space; what runs goes on by itself.`;
    case 'EMFILE':
      return tooFewFiles;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} can't be written (${code}): make it writable for this user, or choose another with --data-dir.`;
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
      return `No database server answers at ${hostname ?? `${address}:${port}`} (${code}): start it, or correct its URL in the topology.`;
    case 'ENETUNREACH':
      return `This machine has no way to ${address} (${code}): bring its network up, for 127.0.0.1 by "ip link set lo up".`;
    case '28P01':
    case '28000':
      return `The database server refuses the login (${message}): correct the URL in the topology.`;
    case '42501':
      return `The database login may not do what is needed (${message}): it must be allowed to create roles and databases.`;
    case '53300':
      return `The database server has no connection left (${message}): end some, or raise its max_connections.`;
    default:
      return undefined;
  }
}
