import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { edgeProblems } from '#contracts/edge';
import { endWithProblem } from '#kit/contract';
import type { Headers } from '../http/headers.ts';
import type { BalancerPool } from './pool.ts';

export interface TunnelOptions {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** What the client sent behind its head. */
  readonly begun: Buffer;
  readonly pool: BalancerPool;
  readonly key: string | undefined;
  readonly headers: Headers;
}

const connectTimeoutMs = 1_000;
const triesMax = 3;
const keepAliveAfterMs = 10_000;

/** WebSocket and other upgrades: the head goes to a member, and from then on bytes pass both ways. */
export function tunnel(options: TunnelOptions, tried: ReadonlySet<string> = new Set()): void {
  const { request, socket, begun, pool, key, headers } = options;
  const endpoint = tried.size < triesMax ? pool.choose({ key, tried }) : undefined;
  if (!endpoint || tried.has(endpoint.instance.process)) {
    endWithProblem(socket, edgeProblems.unreachable());
    return;
  }
  const { host, port, process } = endpoint.instance;
  const end = pool.begin(endpoint);
  const member = connect({ host, port, timeout: connectTimeoutMs });
  const fail = () => {
    end('failed');
    member.destroy();
    tunnel(options, new Set([...tried, process]));
  };
  member.once('error', fail).once('timeout', fail);
  member.once('connect', () => {
    member.removeListener('error', fail).removeListener('timeout', fail).setTimeout(0);
    member.write(headText(request, headers));
    if (begun.length > 0) member.write(begun);
    for (const one of [socket, member]) {
      one.setNoDelay(true).setKeepAlive(true, keepAliveAfterMs).setTimeout(0);
      one.on('error', () => one.destroy());
    }
    socket.once('close', () => {
      end('well');
      member.destroy();
    });
    member.once('close', () => socket.destroy());
    member.pipe(socket);
    socket.pipe(member);
  });
}

function headText(request: IncomingMessage, headers: Headers): string {
  const lines = [
    `GET ${request.url ?? '/'} HTTP/1.1`,
    'Connection: Upgrade',
    `Upgrade: ${request.headers.upgrade ?? ''}`,
  ];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of [value].flat()) if (one !== undefined) lines.push(`${name}: ${one}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
