import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Component } from '#kit/runtime';
import { exitCodes, explain, Failure } from '../failure.ts';
import type { Done, Operations, Say, SystemStatus } from './protocol.ts';

export interface ControlServerOptions {
  readonly path: string;
  readonly operations: Operations;
  readonly status: () => Promise<SystemStatus>;
  /** What else can be asked for, by method and path. */
  readonly more?: Readonly<Record<string, (body: Body, say: Say) => Promise<Done>>>;
}

type Body = Readonly<Record<string, unknown>>;
type Handler = (body: Body, say: Say) => Promise<Done>;

const bodySizeBytesMax = 64 * 1024;
const ownerOnly = 0o177;

/** Lets the owner of the data directory operate what runs on it. Whoever can open the socket may do everything. */
export function createControlServer({ path, operations, status, more = {} }: ControlServerOptions): Component {
  const done = async (work: Promise<unknown>): Promise<Done> => {
    await work;
    return { ok: true };
  };
  const handlers: Readonly<Record<string, Handler>> = {
    'GET /status': () => status(),
    'POST /kill': (body) => done(operations.kill(textOf(body, 'process'))),
    'POST /pause': (body) => done(operations.pause(textOf(body, 'process'))),
    'POST /resume': (body) => done(operations.resume(textOf(body, 'process'))),
    'POST /revoke': (body, say) => done(operations.revoke(textOf(body, 'certificate'), say)),
    'POST /restart': (body, say) =>
      done(operations.restart(textsOf(body, 'names'), { rolling: body['rolling'] === true, say })),
    'POST /scale': (body, say) => done(operations.scale(textOf(body, 'service'), Number(body['instances']), say)),
    ...more,
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = (value: object) => void response.write(`${JSON.stringify(value)}\n`);
    response.setHeader('content-type', 'application/x-ndjson');
    try {
      const handler = handlers[`${request.method} ${request.url}`];
      if (!handler) throw new Failure(exitCodes.usage, `There is no ${request.method} ${request.url} here.`);
      const body = await bodyOf(request);
      line(await handler(body, (say) => line({ say })));
    } catch (error) {
      const { sentence, exitCode } = explain(error);
      line({ ok: false, error: sentence, exitCode });
    }
    response.end();
  }

  // A rolling restart takes minutes, and nobody is in a hurry here.
  const server = createServer({ requestTimeout: 0 }, (request, response) => void answer(request, response));
  return {
    name: 'control socket',
    async start() {
      // Left by a command that was killed; the data directory is ours alone by now.
      rmSync(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        // The file is made before `listen` returns.
        const mask = process.umask(ownerOnly);
        server.listen(path, resolve);
        process.umask(mask);
      });
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(path, { force: true });
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodySizeBytesMax) throw new Failure(exitCodes.usage, 'The request is too large.');
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body;
  } catch {
    // Said below.
  }
  throw new Failure(exitCodes.usage, 'The body is no JSON object.');
}

function textOf(body: Body, name: string): string {
  const value = body[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new Failure(exitCodes.usage, `The request names no ${name}.`);
}

function textsOf(body: Body, name: string): readonly string[] {
  const value = body[name] ?? [];
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw new Failure(exitCodes.usage, `"${name}" is a list of names.`);
}
