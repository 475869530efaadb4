/**
 * The moments at which something can be killed while an order is being processed. Each is looked at from the process
 * that lives it: `before-call` and `after-reply` in the caller, the others in the service that is called.
 */
export const moments = [
  'before-call',
  'on-arrival',
  'before-commit',
  'after-commit',
  'before-reply',
  'after-reply',
] as const;
export type Moment = (typeof moments)[number];

/** `service.operation`, as the saga of an order goes through them. */
export const operations = [
  'orders.place',
  'products.resolve',
  'inventory.hold',
  'payments.authorize',
  'inventory.commit',
  'payments.capture',
] as const;
export type Operation = (typeof operations)[number];

/** Whom the bullet hits when the moment comes. */
export type Victim = 'caller' | 'callee' | 'postgres' | 'payment-sandbox';

export interface Scenario {
  readonly operation: Operation;
  readonly moment: Moment;
  readonly victim: Victim;
}

/** In whose process the moment is lived. */
export function sideOf(moment: Moment): 'caller' | 'callee' {
  return moment === 'before-call' || moment === 'after-reply' ? 'caller' : 'callee';
}

export function serviceOf(operation: Operation): string {
  return operation.split('.')[0] as string;
}

export function callerOf(operation: Operation): string {
  return operation === 'orders.place' ? 'gateway' : 'orders';
}

/** Every combination that makes sense: products commits nothing, and only payments speaks to the provider. */
export function allScenarios(): Scenario[] {
  const scenarios: Scenario[] = [];
  for (const operation of operations) {
    for (const moment of moments) {
      if (operation === 'products.resolve' && moment.endsWith('commit')) continue;
      for (const victim of [sideOf(moment), 'postgres'] as const) scenarios.push({ operation, moment, victim });
      if (operation.startsWith('payments.') && moment === 'on-arrival') {
        scenarios.push({ operation, moment, victim: 'payment-sandbox' });
      }
    }
  }
  return scenarios;
}

export function titleOf({ operation, moment, victim }: Scenario): string {
  return `${operation} ${moment}, kill ${victim}`;
}

/** What the lab tells a child to do when a moment comes. */
export interface Trap {
  readonly service: string;
  readonly operation: string;
  readonly moment: Moment;
  /** The how-manieth time it comes, counted from 1. */
  readonly nth: number;
  /** `self`: this very process. Otherwise the lab kills someone, and the process goes on after that. */
  readonly kill: 'self' | 'other';
}

export type ToLab = { readonly type: 'sprung' };
export type FromLab = { readonly type: 'trap'; readonly trap: Trap } | { readonly type: 'go-on' };
