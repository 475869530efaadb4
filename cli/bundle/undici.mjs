/**
 * What is used of undici, for the bundle: its index also makes fetch, WebSockets, caches and mocks, and makes Node load its own
 * undici for their sake. A process that goes without loads with a fifth less processor time.
 */
import api from 'undici/lib/api/index.js';
import buildConnector from 'undici/lib/core/connect.js';
import Agent from 'undici/lib/dispatcher/agent.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import global from 'undici/lib/global.js';

Object.assign(Dispatcher.prototype, api);

/** As undici's own, for URLs as texts or objects of that name. */
export function request(url, { dispatcher = global.getGlobalDispatcher(), ...options } = {}) {
  const { origin, pathname, search } = new URL(url);
  const method = options.method ?? (options.body ? 'PUT' : 'GET');
  return dispatcher.request({ ...options, origin, path: `${pathname}${search}`, method });
}

export { Agent, buildConnector, Pool };
