import type { Workload } from '../workload.ts';
import { admins } from './admins.ts';
import { claims } from './claims.ts';
import { consumers } from './consumers.ts';
import { holds } from './holds.ts';
import { lists } from './lists.ts';
import { orders } from './orders.ts';
import { outbox } from './outbox.ts';
import { recalled } from './recalled.ts';
import { refresh } from './refresh.ts';
import { sagas } from './sagas.ts';
import { shares } from './shares.ts';
import { startUp } from './start-up.ts';

export const workloads: readonly Workload[] = [
  holds,
  recalled,
  shares,
  claims,
  outbox,
  consumers,
  sagas,
  orders,
  refresh,
  admins,
  startUp,
  lists,
];

export function workloadNamed(name: string): Workload | undefined {
  return workloads.find((workload) => workload.name === name);
}
