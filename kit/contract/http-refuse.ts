import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { contractProblems, type Problem } from './problem.ts';

/** Bytes that are no HTTP request, or too many, or too slow: answered by hand, as there is no request to reply to. */
export function refuseBytes(error: Error & { code?: string | undefined }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const kind =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'head-too-large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request-timeout'
        : 'malformed-request';
  endWithProblem(socket, contractProblems[kind]());
}

/** The last answer on a connection that nobody else answers on any more. */
export function endWithProblem(socket: Duplex, problem: Problem): void {
  const { status, title, body } = problemText(problem);
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** CONNECT asks for a tunnel through us. */
export function refuseTunnel(socket: Duplex): void {
  socket.on('error', () => {});
  endWithProblem(socket, contractProblems['method-not-allowed']({ detail: 'this is no proxy' }));
}

export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { status, body } = problemText(contractProblems['expectation-failed']());
  response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' }).end(body);
}

function problemText(problem: Problem) {
  return { status: problem.status, title: STATUS_CODES[problem.status], body: JSON.stringify(problem.toJSON()) };
}
