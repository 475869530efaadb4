/** The sandbox in a process of its own: `node services/payments/sandbox/main.ts --port 12111 --journal books.log`. */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type Logger, type LogLevel, systemWorld } from '#kit/runtime';
import { startSandboxServer } from './server.ts';

const help = `Usage: main.ts --key sk_test_… [--port 12111] [--host 127.0.0.1] [--journal FILE]
               [--admin-key KEY] [--webhook URL --webhook-secret whsec_…]

A payment provider of your own that speaks Stripe's API for card payments. Prints its URL when it serves.
Without --journal the books are kept in memory only.`;

async function main(): Promise<void> {
  const options = readOptions();
  if (!options) return;
  const server = await startSandboxServer({ ...systemWorld(lineLogger({})), ...options });
  process.stdout.write(`${JSON.stringify({ url: server.url, ...server.sandbox.rebuilt })}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
}

function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      key: text,
      'admin-key': text,
      host: text,
      port: text,
      journal: text,
      webhook: text,
      'webhook-secret': text,
    },
  });
  if (values.help) {
    process.stdout.write(`${help}\n`);
    return undefined;
  }
  if (values.key === undefined) throw new UsageError('--key is missing: the secret key that callers must present');
  const port = Number(values.port ?? 12_111);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new UsageError(`--port ${values.port} is no port`);
  const { webhook: url, 'webhook-secret': secret } = values;
  if ((url === undefined) !== (secret === undefined))
    throw new UsageError('--webhook and --webhook-secret go together');
  return {
    secretKey: values.key,
    port,
    ...(values['admin-key'] !== undefined && { adminKey: values['admin-key'] }),
    ...(values.host !== undefined && { host: values.host }),
    ...(values.journal !== undefined && { journalPath: values.journal }),
    ...(url !== undefined && secret !== undefined && { webhooks: [{ url, secret }] }),
  };
}

class UsageError extends Error {}

/** JSON lines on stderr; nothing that is logged here holds a key. */
function lineLogger(base: Record<string, unknown>): Logger {
  const write = (level: LogLevel) => (message: string, fields?: object) => {
    const error = (fields as { error?: unknown } | undefined)?.error;
    const text = error instanceof Error ? { error: error.message } : {};
    process.stderr.write(`${JSON.stringify({ level, message, ...base, ...fields, ...text })}\n`);
  };
  return {
    debug: () => {},
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: (fields) => lineLogger({ ...base, ...fields }),
  };
}

try {
  await main();
} catch (error) {
  const usage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`sandbox: ${(error as Error).message}${usage ? `\n\n${help}` : ''}\n`);
  process.exitCode = usage ? 2 : 1;
}
