import { type Logger, systemWorld, type World } from '#kit/runtime';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** The real world, without its noise. */
export const quietWorld: World = systemWorld(silent);
