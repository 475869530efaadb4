import { mailServer } from '../wiring.ts';
import { tcpFault } from './network.ts';

export const smtpDown = {
  ...tcpFault(
    {
      name: 'smtp-down',
      does: 'takes the mail server away: connections break and new ones are refused',
      durationMs: [2_000, 6_000],
      targets: ({ ways }) => ways.filter(({ to }) => to === mailServer).map(({ name }) => name),
    },
    () => ({ fault: { kind: 'reset' }, detail: '' }),
  ),
  class: 'dependency' as const,
};
