import type { Transport } from '#kit/runtime';
import type { Conditions } from '../conditions.ts';
import type { Hooks } from '../hooks.ts';
import type { Simulation } from '../simulation.ts';
import { bookBugs } from './books.ts';
import { doorBugs } from './door.ts';
import { messagingBugs } from './messaging.ts';
import { moneyBugs } from './money.ts';
import { orderBugs } from './orders.ts';
import { stockBugs } from './stock.ts';
import { storefrontBugs } from './storefront.ts';
import { webhookBugs } from './webhooks.ts';

/**
 * A mistake that somebody could really make, planted by handing a process something that misbehaves. They show that the
 * simulator would find it: a check that never fails shows nothing.
 */
export interface Bug {
  readonly name: string;
  readonly summary: string;
  /**
   * The seed that found it last: it is tried first, as those before it take their time and find nothing. When it no longer
   * does, that costs one run. Default 1.
   */
  readonly foundAt?: number;
  /** What it takes to show. Default: what is drawn does. */
  readonly conditions?: Conditions;
  /** What production code is handed instead of the real thing. */
  readonly hooks?: (simulation: Simulation) => Hooks;
  /** What the shop's users have instead of the network. */
  readonly client?: (transport: Transport, simulation: Simulation) => Transport;
}

/** Each is found by one of this many seeds, counted from 1. */
export const bugSeedsMax = 20;

export const bugs: readonly Bug[] = [
  ...stockBugs,
  ...moneyBugs,
  ...orderBugs,
  ...messagingBugs,
  ...storefrontBugs,
  ...doorBugs,
  ...bookBugs,
  ...webhookBugs,
];

export function bugNamed(name: string): Bug | undefined {
  return bugs.find((bug) => bug.name === name);
}
