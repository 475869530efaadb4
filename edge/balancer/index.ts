export { createLayer4, type Layer4, type Layer4Options } from './layer4.ts';
export { createLayer7, type Layer7, type Layer7Options } from './layer7.ts';
export { type BalancerPool, createPool, type Member, type PoolOptions, type Probe } from './pool.ts';
export type { Match, Rule } from './routes.ts';
