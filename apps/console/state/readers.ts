import { api } from '../console.ts';

/** Services that read events. All have the same operations for what is behind and what could not be read. */
export const readers = {
  notifications: api.notifications,
  analytics: api.analytics,
  products: api.products,
  webhooks: api.webhooks,
  assistant: api.assistant,
};
export type Reader = keyof typeof readers;
export const readerNames = Object.keys(readers) as readonly Reader[];
export const isReader = (name: string): name is Reader => Object.hasOwn(readers, name);
