/**
 * What can go wrong around an embedded server, by code. The message is one sentence that names what was wrong and
 * what to do; a command can print it as it is.
 */
export type EmbeddedPostgresErrorCode =
  | 'account' // no account that PostgreSQL agrees to run as
  | 'binaries' // no binaries for this platform, or they can't be run
  | 'data-dir-unwritable'
  | 'data-dir-unreachable' // the server's account can't get there
  | 'data-dir-in-use' // another live copy
  | 'port-in-use'
  | 'secrets-damaged' // the file of passwords holds something else
  | 'disk-full'
  | 'server-version'
  | 'start-failed'
  | 'stop-failed';

export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
  readonly code: EmbeddedPostgresErrorCode;

  constructor(code: EmbeddedPostgresErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The `code` of a Node system error, else undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
