import { type Mail, type Mailer, MailRefused } from '#services/notifications';
import type { Incarnation } from './node.ts';
import { chance, exponential, type Simulation } from './simulation.ts';

/** What a mail may run into, as probabilities. */
export interface MailFaults {
  /** The server can't be reached. */
  readonly unreachable: number;
  /** The server took it, and the connection broke before it said so. */
  readonly lostReply: number;
  /** The server says nothing at all, until the sender's patience ends. */
  readonly stall: number;
}

export const calmMail: MailFaults = { unreachable: 0, lostReply: 0, stall: 0 };

/** The mail server of the outside world: what it has taken is what people get. */
export interface MailServer {
  /** The Mailer port of one process. */
  mailerOf(client: Incarnation): Mailer;
  readonly taken: readonly Pick<Mail, 'messageId' | 'recipient' | 'subject'>[];
}

/** Mean time to the server and back, each way. */
const delayMs = 8;

export function createMailServer(simulation: Simulation, faults: MailFaults): MailServer {
  const { world, trace } = simulation;
  const dice = simulation.stream('mail/faults');
  const delays = simulation.stream('mail/delays');
  const taken: Pick<Mail, 'messageId' | 'recipient' | 'subject'>[] = [];

  function strikes(name: string, probability: number): boolean {
    if (!simulation.faultsOn || !chance(dice, probability)) return false;
    simulation.faults.add(name);
    return true;
  }

  /** Resolves when it was taken. Undefined: nobody will ever answer. */
  function take({ messageId, recipient, subject }: Mail, from: string): Error | 'taken' | undefined {
    if (strikes('mail server unreachable', faults.unreachable)) return new Error('connect ECONNREFUSED mail');
    if (strikes('mail server says nothing', faults.stall)) return undefined;
    taken.push({ messageId, recipient, subject });
    const event = { kind: 'provider', node: 'mail', from, sentAtMs: world.nowMs } as const;
    trace.event({ ...event, atMs: world.nowMs, text: `${messageId} ${subject}` });
    return strikes('mail taken, reply lost', faults.lostReply) ? new Error('Connection closed unexpectedly') : 'taken';
  }

  return {
    taken,
    mailerOf: (client) => ({
      send: (mail, signal) =>
        new Promise((resolve, reject) => {
          if (!mail.recipient.includes('@')) return reject(new MailRefused(`${mail.recipient} is no address`));
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
          world.timers.after(exponential(delays, delayMs), () => {
            const outcome = take(mail, client.node.name);
            if (outcome === undefined) return;
            const end = () => (outcome === 'taken' ? resolve() : reject(outcome));
            world.timers.after(exponential(delays, delayMs), client.guard(end));
          });
        }),
      async close() {},
    }),
  };
}
