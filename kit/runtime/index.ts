export { type Component, createHost, type Host, type HostOptions, type HostState } from './host.ts';
export { createIds } from './ids.ts';
export type * from './ports.ts';
export { sleepOn, systemClock, systemRandom, systemTimers, systemWorld } from './system.ts';
