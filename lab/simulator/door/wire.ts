import { gateway } from '#contracts/gateway';
import type { Door } from '#edge/gateway';
import { headerNames, type ServiceContract, type ServiceServer } from '#kit/contract';
import type { Request, Transport } from '#kit/runtime';
import { publicContracts } from '../../../cli/compose.ts';
import { correlationOf } from '../history.ts';
import type { DoorBook, Standing, Visit } from './book.ts';

/** An HTTP request as it goes over the simulated network. Its reply goes back as a reply whose body is text. */
interface WireRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** The address that it comes from. */
  readonly address: string;
  /** What the sender knows of it; for the books, no part of the request. */
  readonly known: Pick<Visit, 'operation' | 'isChange' | 'as'>;
}

export interface WireServerOptions {
  readonly book: DoorBook;
  /** The life of the process, for the book. */
  readonly at: string;
  /** True time. */
  readonly nowMs: () => number;
  /** Told of what no door should ever say. */
  readonly onInternalError: (what: string) => void;
}

/** What answers at the door: its own routing, parsing and checks, behind a simulated network instead of a socket. */
export function createWireServer(door: Door, options: WireServerOptions): ServiceServer {
  const { book, at, nowMs, onInternalError } = options;
  return {
    contract: gateway,
    async handle(request) {
      const { method, url, headers, body, address, known } = request.body as WireRequest;
      const visit: Visit = {
        ...{ ...known, at, correlationId: headers['x-correlation-id'] ?? '' },
        ...{ status: undefined, answeredAtMs: undefined },
      };
      book.visits.push(visit);
      const reply = await door.inject({
        ...{ method: method as 'GET', url, headers: { ...headers }, remoteAddress: address },
        ...(body === null ? {} : { payload: body }),
      });
      if (reply.statusCode === 500) onInternalError(`${method} ${url}: ${reply.payload}`);
      visit.status = reply.statusCode;
      visit.answeredAtMs = nowMs();
      const told: Record<string, string> = {};
      for (const [name, value] of Object.entries(reply.headers)) {
        // The time of day is the real one: no part of a run.
        if (name !== 'date' && value !== undefined) told[name] = String(value);
      }
      return { status: reply.statusCode, headers: told, body: reply.payload };
    },
  };
}

/** Who is on the other side of the door. */
export interface Visitor {
  readonly token: string | undefined;
  readonly address: string;
}

/**
 * The way into the shop through its door: HTTP requests over the simulated network. Who calls is said by a token; the headers by
 * which services tell each other so are sent along, forged, and the door must not believe them.
 */
export function throughDoor(transport: Transport, visitorOf: (caller: string | undefined) => Visitor): Transport {
  return {
    async send(request, signal) {
      const { service, operation, headers } = request;
      const reply = await transport.send(
        {
          ...{ service: gateway.service, operation: `${service}.${operation}`, params: {}, query: {} },
          headers: { [headerNames.deadlineMs]: headers[headerNames.deadlineMs] ?? '' },
          body: wireOf(request, visitorOf(headers[headerNames.caller])),
        },
        signal,
      );
      const text = String(reply.body ?? '');
      const isJson = reply.headers['content-type']?.includes('json') && text !== '';
      return { status: reply.status, headers: reply.headers, body: isJson ? JSON.parse(text) : undefined };
    },
  };
}

/** Doors take none that is shorter. */
const asAtDoor = (correlationId: string): string => correlationId.padEnd(8, '.');

/** The correlation id of an operation's or an errand's requests, as doors know it. */
export const correlationAtDoor = (operation: number): string => asAtDoor(correlationOf(operation));

const forged = { [headerNames.caller]: 'admin:usr_forged', [headerNames.session]: 'ses_forged' };

function wireOf(request: Request, { token, address }: Visitor): WireRequest {
  const { method, path } = operationOf(request);
  const [as = 'anonymous'] = (request.headers[headerNames.caller] ?? '').split(':');
  const operation = `${request.service}.${request.operation}`;
  const { [headerNames.correlationId]: correlationId = '', ...rest } = request.headers;
  const headers = {
    ...{ ...rest, ...forged, 'x-correlation-id': asAtDoor(correlationId) },
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const body = request.body === undefined ? null : JSON.stringify(request.body);
  const known = { operation, isChange: method !== 'GET', as: as as Standing };
  return { method, url: urlOf(path, request), headers, body, address, known };
}

const doorContracts: readonly ServiceContract[] = [...publicContracts, gateway];

function operationOf({ service, operation }: Request) {
  const found = doorContracts.find((contract) => contract.service === service)?.operations[operation];
  if (!found) throw new Error(`${service} has no ${operation}`);
  return found;
}

function urlOf(pattern: string, { params, query }: Request): string {
  const path = pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const values = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  );
  return values.length > 0 ? `${path}?${new URLSearchParams(values)}` : path;
}
