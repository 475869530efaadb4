/** A process for tests to kill: starts a server on the directory it is given, says so, and stops with its input. */
import { type Logger, systemWorld } from '#kit/runtime';
import { startEmbeddedPostgres } from './index.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const server = await startEmbeddedPostgres({ dataDir: process.argv[2] as string, world: systemWorld(silent) });
process.stdout.write(`${JSON.stringify({ serverPid: server.pid, port: server.port })}\n`);
process.stdin.on('end', () => server.stop()).resume();
