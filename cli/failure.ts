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
    return { sentence: error.message, exitCode: exitCodes.unavailable };
  }
  const known = explainSystemError(error as NodeJS.ErrnoException);
  if (known) return { sentence: known, exitCode: exitCodes.unavailable };
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { sentence: `Something that should not happen did: ${detail}`, exitCode: exitCodes.internal };
}

function explainSystemError(error: NodeJS.ErrnoException): string | undefined {
  const where = error?.path ?? 'the data directory';
  switch (error?.code) {
    case 'EADDRINUSE': {
      const { port } = error as { port?: number };
      return `Port ${port ?? '(unknown)'} is in use: stop the program that listens there, or choose another with --port.`;
    }
    case 'ENOSPC':
    case 'EDQUOT':
      return `The disk that holds ${where} is full: free some space, or choose another place with --data-dir.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${where} can't be written: make it writable for this user, or choose another place with --data-dir.`;
    case 'ECONNREFUSED':
      return `Nobody answers at ${(error as { address?: string }).address ?? 'the database'}: is the server of the topology running?`;
    default:
      return undefined;
  }
}
