/** What the reference is made of: every contract, every table of problems, every type of event, by name. */
import type { TSchema } from 'typebox';
import * as analyticsModule from '#contracts/analytics';
import * as assistantModule from '#contracts/assistant';
import * as cartsModule from '#contracts/carts';
import * as commonModule from '#contracts/common';
import { edgeProblems } from '#contracts/edge';
import * as inventoryModule from '#contracts/inventory';
import * as notificationsModule from '#contracts/notifications';
import { operators } from '#contracts/operators';
import * as ordersModule from '#contracts/orders';
import * as paymentsModule from '#contracts/payments';
import * as productsModule from '#contracts/products';
import * as tillsModule from '#contracts/tills';
import * as totalsModule from '#contracts/totals';
import * as usersModule from '#contracts/users';
import { gateway } from '#edge/gateway';
import { contractProblems, describeProblems, type ProblemDescription, type ServiceContract } from '#kit/contract';
import { meshProblems } from '#kit/mesh';
import { keyOf, type Names } from './schema-text.ts';

export interface Chapter {
  readonly contract: ServiceContract;
  /** Schemas that the module exports, by name: described once, then named. */
  readonly shapes: Readonly<Record<string, TSchema>>;
}

/** In the order of an order's way. */
export const chapters: readonly Chapter[] = [
  { contract: cartsModule.carts, shapes: { ...schemasOf(cartsModule), ...schemasOf(totalsModule) } },
  { contract: ordersModule.orders, shapes: schemasOf(ordersModule) },
  { contract: inventoryModule.inventory, shapes: schemasOf(inventoryModule) },
  { contract: paymentsModule.payments, shapes: schemasOf(paymentsModule) },
  { contract: tillsModule.tills, shapes: { ...schemasOf(tillsModule), ...schemasOf(totalsModule) } },
  { contract: productsModule.products, shapes: schemasOf(productsModule) },
  { contract: usersModule.users, shapes: schemasOf(usersModule) },
  { contract: notificationsModule.notifications, shapes: schemasOf(notificationsModule) },
  { contract: analyticsModule.analytics, shapes: schemasOf(analyticsModule) },
  { contract: operators, shapes: {} },
  { contract: assistantModule.assistant, shapes: schemasOf(assistantModule) },
  { contract: gateway, shapes: {} },
];

export const commonShapes = schemasOf(commonModule);

function schemasOf(module: object): Record<string, TSchema> {
  const schemas = Object.entries(module).filter(([name, value]) => /^[A-Z]/.test(name) && isSchema(value));
  // The order of a module's exports is the loader's business.
  return Object.fromEntries(schemas.sort(([a], [b]) => (a < b ? -1 : 1))) as Record<string, TSchema>;
}

function isSchema(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('type' in value || 'anyOf' in value || 'enum' in value);
}

/** Names of common shapes and of a chapter's own. */
export function namesFor(chapter: Pick<Chapter, 'shapes'>): Names {
  const entries = Object.entries({ ...chapter.shapes, ...commonShapes });
  return new Map(entries.map(([name, schema]) => [keyOf(schema), name]));
}

/** Tables of problems by prefix: what any operation may answer first. */
export const problemTables: ReadonlyMap<string, Readonly<Record<string, ProblemDescription>>> = new Map([
  ['contract', describeProblems(contractProblems)],
  ['edge', describeProblems(edgeProblems)],
  ['mesh', describeProblems(meshProblems)],
  ...chapters.flatMap(({ contract: { service, problems } }) =>
    problems ? [[service, describeProblems(problems)] as const] : [],
  ),
]);

/** Types of events by the service that publishes them. */
export const eventTypes: Readonly<Record<string, readonly string[]>> = {
  orders: ordersModule.orderEventTypes,
  inventory: inventoryModule.stockEventTypes,
  products: productsModule.productEventTypes,
  tills: tillsModule.tillEventTypes,
  users: Object.keys(usersModule.userEvents),
};
export const { userEvents } = usersModule;
