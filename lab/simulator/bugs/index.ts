import type { Transport } from '#kit/runtime';
import type { Hooks } from '../shop.ts';
import type { Simulation } from '../simulation.ts';

export interface Bug {
  readonly name: string;
  readonly summary: string;
  readonly seedsMax: number;
  readonly hooks: (simulation: Simulation) => Hooks;
  readonly client?: (transport: Transport, simulation: Simulation) => Transport;
}
