import type { Served, ServiceServer } from '#kit/contract';
import { createPostgresLog, type EventLog, subscribe } from '#kit/messaging';
import type { Component, Database, Transport } from '#kit/runtime';
import { createSandboxProvider } from '#services/payments/provider';
import type { Sandbox } from '#services/payments/sandbox';
import { type ComposedService, composeServices } from '../../cli/compose.ts';
import { createSimulatedDatabase } from './database.ts';
import type { DatabaseServer } from './database-server.ts';
import { adminEmail, passwordOfAll } from './door/accounts.ts';
import type { DoorBook } from './door/book.ts';
import { createSimulatedGateway } from './door/gateway.ts';
import { simulatedPasswords } from './door/passwords.ts';
import { type History, recordStockAnswers } from './history.ts';
import type { Hooks } from './hooks.ts';
import type { MailServer } from './mail.ts';
import type { Network } from './network.ts';
import type { Incarnation, SimNode } from './node.ts';
import type { DatabaseName, Plan } from './plan.ts';
import { createSimulatedProvider } from './provider.ts';
import { applyEvents, countRedeliveries, refusePoison } from './reader.ts';
import type { Simulation } from './simulation.ts';
import { testedServices } from './tested-services.ts';
import { retryDelaysMs } from './webhooks/check.ts';
import type { Merchants } from './webhooks/merchants.ts';

/** What a process runs, and what it answers by. */
export interface Program {
  readonly components: readonly Component[];
  readonly server?: ServiceServer;
}

export interface ProgramsOptions {
  readonly simulation: Simulation;
  readonly plan: Pick<Plan, 'poison'>;
  readonly hooks: Hooks;
  readonly history: History;
  readonly network: Network;
  readonly databases: ReadonlyMap<DatabaseName, DatabaseServer>;
  readonly sandbox: Sandbox;
  readonly mail: MailServer;
  readonly merchants: Merchants;
  readonly doorBook: DoorBook;
}

/** `orders-2` runs orders. */
export const serviceOf = ({ name }: Pick<SimNode, 'name'>): string => name.replace(/-\d+$/, '');

/** Makes what a process runs: the shop's own code, in a world that is simulated. */
export function createPrograms(options: ProgramsOptions): (incarnation: Incarnation) => Program {
  const { simulation, plan, hooks, history, network, databases, sandbox, mail, merchants, doorBook } = options;
  const readUpTo = new Map<string, number>();

  const databaseOf = (name: DatabaseName, incarnation: Incarnation): Database => {
    const database = createSimulatedDatabase(databases.get(name) as DatabaseServer, incarnation);
    return hooks.database?.(database, name, incarnation) ?? database;
  };
  const transportOf = (incarnation: Incarnation): Transport => {
    const transport = recordStockAnswers(network.transportOf(incarnation), incarnation, simulation, history);
    return hooks.transport?.(transport, incarnation) ?? transport;
  };
  /** What it carries is seen by the people whose requests these are. */
  const gatewayTransportOf = (incarnation: Incarnation): Transport => {
    const transport = network.transportOf(incarnation);
    return hooks.transport?.(transport, incarnation) ?? transport;
  };
  const server = {
    checkReplies: true,
    onServed({ request, problem }: Served) {
      if (problem?.category !== 'internal') return;
      const cause = problem.cause instanceof Error ? problem.cause.message : problem.message;
      simulation.violate('nothing fails unexpectedly', `${request.service}.${request.operation}: ${cause}`);
    },
  };

  const tailOf = (incarnation: Incarnation): EventLog =>
    createPostgresLog({ database: databaseOf('log', incarnation), world: incarnation.world });

  function logOf(incarnation: Incarnation): EventLog {
    const log = tailOf(incarnation);
    const counted = countRedeliveries(log, serviceOf(incarnation.node), readUpTo, simulation.faults);
    return hooks.log?.(counted, incarnation) ?? counted;
  }

  function program(service: ComposedService, incarnation: Incarnation): Program {
    const { world } = incarnation;
    const adapter = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_simulation' });
    const provider = createSimulatedProvider(simulation, incarnation, adapter);
    const mailer = mail.mailerOf(incarnation);
    const poster = merchants.posterOf(incarnation);
    const part = composeServices({
      world,
      services: [service],
      databaseOf: (name) => databaseOf(name as DatabaseName, incarnation),
      transport: transportOf(incarnation),
      eventLog: logOf(incarnation),
      provider: hooks.provider?.(provider, incarnation) ?? provider,
      keyEncryptionSecret: 'a secret of this simulation',
      passwords: simulatedPasswords,
      admin: { email: adminEmail, password: passwordOfAll },
      mail: { mailer: hooks.mailer?.(mailer) ?? mailer },
      webhooks: { poster: hooks.poster?.(poster) ?? poster, sender: { retryDelaysMs } },
      server,
    }).get(service);
    if (!part) throw new Error(`there is no service ${service}`);
    return part;
  }

  function gateway(incarnation: Incarnation): Program {
    return createSimulatedGateway({
      ...{ simulation, incarnation, book: doorBook, database: databaseOf('gateway', incarnation) },
      ...{ transport: gatewayTransportOf(incarnation), events: tailOf(incarnation) },
    });
  }

  function reader(incarnation: Incarnation): Program {
    const { world } = incarnation;
    const database = databaseOf('log', incarnation);
    const handler = plan.poison ? refusePoison(applyEvents) : applyEvents;
    const options = hooks.reader?.(handler, database) ?? { delivery: 'effectively-once', handler };
    const common = { group: 'reader', topics: ['orders'], log: logOf(incarnation), database, world } as const;
    const subscription =
      options.delivery === 'effectively-once'
        ? subscribe({ ...common, delivery: 'effectively-once', handler: options.handler })
        : subscribe({
            ...common,
            delivery: 'at-least-once',
            handler: (events) => database.transaction((tx) => options.handler(tx, events)),
          });
    return { components: [subscription.component] };
  }

  const programs: Readonly<Record<string, (incarnation: Incarnation) => Program>> = {
    ...Object.fromEntries(
      testedServices.map((name) => [name, (incarnation: Incarnation) => program(name, incarnation)]),
    ),
    gateway,
    reader,
  };

  return (incarnation) => {
    const make = programs[serviceOf(incarnation.node)];
    if (!make) throw new Error(`${incarnation.node.name} runs nothing that is known`);
    return make(incarnation);
  };
}
