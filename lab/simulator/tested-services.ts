import { apiKeyMigrations, auditMigrations } from '#edge/gateway';
import { inboxMigrations, logMigrations } from '#kit/messaging';
import { type ComposedService, serviceMigrations } from '../../cli/compose.ts';
import type { ImageDescription } from './pglite/image.ts';

/** The services under test, as production composes them. */
export const testedServices = [
  'orders',
  'inventory',
  'payments',
  'notifications',
  'analytics',
  'assistant',
  'carts',
  'tills',
  'users',
  'products',
  'webhooks',
] as const satisfies readonly ComposedService[];

/** The databases of the shop under test: migrations as they are in production. */
export const imageDescriptions: readonly ImageDescription[] = [
  ...testedServices.map((name) => ({ name, migrations: serviceMigrations[name] })),
  { name: 'gateway', migrations: [auditMigrations, apiKeyMigrations] },
  // The log and its reader share a server, which production may do too.
  {
    name: 'log',
    migrations: [
      logMigrations,
      inboxMigrations,
      { directory: `${import.meta.dirname}/schema/reader`, table: 'schema_reader' },
    ],
  },
];
