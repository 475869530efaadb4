import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { exitCodes, Failure } from '../failure.ts';
import type { Done, Progress, Refused, Say } from './protocol.ts';
import { socketPath } from './socket.ts';

export interface ControlRequest {
  readonly method: 'GET' | 'POST';
  /** `/status` */
  readonly path: string;
  readonly body?: object;
  /** How long nothing at all may come. Default 10 s for what only asks; what does something takes as long as it takes. */
  readonly silenceMsMax?: number;
}

const silenceMsDefault = 10_000;

/** Asks the command that runs on a data directory. Throws a `Failure` when nothing runs, or it says no. */
export async function askControl<Result extends Done>(
  dataDir: string,
  request: ControlRequest,
  say: Say = () => {},
): Promise<Result> {
  for await (const line of createInterface({ input: await send(dataDir, request) })) {
    const message = JSON.parse(line) as Progress | Refused | Result;
    if ('say' in message) say(message.say);
    else if (message.ok) return message;
    else throw new Failure(message.exitCode, message.error);
  }
  throw new Failure(
    exitCodes.unavailable,
    `The command that runs on ${dataDir} ended before it had answered: look with "npx holdfast status", and start it anew if nothing runs.`,
  );
}

function send(dataDir: string, { method, path, body, silenceMsMax }: ControlRequest): Promise<IncomingMessage> {
  const headers = body ? { 'content-type': 'application/json' } : {};
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ socketPath: socketPath(dataDir), method, path, headers }, resolve);
    const patienceMs = silenceMsMax ?? (method === 'GET' ? silenceMsDefault : undefined);
    if (patienceMs !== undefined) sent.setTimeout(patienceMs, () => sent.destroy(silent(dataDir, patienceMs)));
    sent.once('error', (error) => reject(explainError(dataDir, error)));
    sent.end(body ? JSON.stringify(body) : undefined);
  });
}

const silent = (dataDir: string, patienceMs: number): Failure =>
  new Failure(
    exitCodes.unavailable,
    `The command that runs on ${dataDir} has not answered for ${patienceMs / 1_000} s: it is stopped, or has too much to do; its pid is in running.json there.`,
  );

const nobodyThere = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK']);

function explainError(dataDir: string, error: NodeJS.ErrnoException): Error {
  if (nobodyThere.has(error.code ?? '')) {
    return new Failure(
      exitCodes.unavailable,
      `No Holdfast is running on ${dataDir}: start one with "npx holdfast up --topology shop", or name its --data-dir.`,
    );
  }
  if (error.code === 'EACCES') {
    return new Failure(
      exitCodes.auth,
      `${socketPath(dataDir)} belongs to somebody else: operate it as who started it.`,
    );
  }
  return error;
}
