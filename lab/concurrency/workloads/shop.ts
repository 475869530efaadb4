import { inventory as inventoryContract } from '#contracts/inventory';
import { orders as ordersContract } from '#contracts/orders';
import { payments as paymentsContract } from '#contracts/payments';
import { type Client, createClient, type ServiceServer } from '#kit/contract';
import { createOutbox, createPostgresLog } from '#kit/messaging';
import type { Component, Transport } from '#kit/runtime';
import { createInventory } from '#services/inventory';
import { createOrders } from '#services/orders';
import { createPayments } from '#services/payments';
import { createSandboxProvider } from '#services/payments/provider';
import type { Sandbox } from '#services/payments/sandbox';
import type { Round } from '../rig.ts';

/** One process with orders, inventory and payments, each with a session of its own. */
export interface Shop {
  readonly components: readonly Component[];
  readonly client: Client<typeof ordersContract>;
}

export const unitPriceMinor = 500;

/** Leases of a few milliseconds make sagas change hands while they are at work. */
const leasesMs = [60, 5_000];

export async function openShop(round: Round, name: string, sandbox: Sandbox): Promise<Shop> {
  const { world, open } = round.process(name);
  const { clock } = world;
  const servers = new Map<string, ServiceServer>();
  const transport: Transport = {
    send: (request, signal) => (servers.get(request.service) as ServiceServer).handle(request, signal),
  };
  const database = await open();
  const log = createPostgresLog({ database: round.plain, world });
  const outbox = createOutbox({ source: 'orders', database, log, world });
  const provider = createSandboxProvider({ sandbox, ...world, webhookSecret: 'whsec_lab' });
  const parts = [
    createPayments({ world, database: await open(), provider }),
    createInventory({ world, database: await open() }),
    createOrders({
      world,
      database,
      inventory: createClient(inventoryContract, { transport, clock }),
      payments: createClient(paymentsContract, { transport, clock }),
      priceOf: async (wanted) => new Map(wanted.map((sku) => [sku, { name: sku, unitPriceMinor }])),
      publish: async (tx, events) => void (await outbox.publish(tx, events)),
      leaseMs: round.pick(leasesMs),
    }),
  ];
  for (const { server } of parts) servers.set(server.contract.service, server);
  return {
    components: parts.map(({ component }) => component),
    client: createClient(ordersContract, { transport, clock }),
  };
}
