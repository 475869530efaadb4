import { type Fault, processNames } from './fault.ts';
import { injectionOf } from './network.ts';

export const partition: Fault = {
  name: 'partition',
  class: 'network',
  does: 'cuts a process off from everyone, the database server too: nothing passes and nothing breaks until it heals',
  durationMs: [2_000, 6_000],
  targets: processNames,
  async inject({ ways }, target) {
    const cut = ways.all.filter(({ from, to }) => from === target || to === target);
    const active = cut.flatMap(({ name }) => [
      ways.injectTcp(name, { kind: 'black-hole', direction: 'to-server' }),
      ways.injectTcp(name, { kind: 'black-hole', direction: 'to-client' }),
    ]);
    return injectionOf(active, `${cut.length} ways`);
  },
};
