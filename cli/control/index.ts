export { askControl } from './client.ts';
export type { Done, InstanceStatus, Operations, Say, SystemStatus } from './protocol.ts';
export { createControlServer } from './server.ts';
export { socketPath } from './socket.ts';
