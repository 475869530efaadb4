export { type Guard, type GuardOptions, guardSystem } from './guard.ts';
export { type Component, createHost, type Host, type HostOptions, type HostState } from './host.ts';
export { createIds } from './ids.ts';
export type * from './ports.ts';
export { quietly } from './quietly.ts';
export { seededRandom } from './seeded.ts';
export { sleepOn, systemClock, systemRandom, systemTimers, systemWorld } from './system.ts';
export { createVirtualWorld, type VirtualLogLine, type VirtualWorld, type VirtualWorldOptions } from './virtual.ts';
