import { type ChildProcess, spawn } from 'node:child_process';
import type { World } from '#kit/runtime';
import type { ServicesConfig } from '../../cli/services.ts';
import { answerSigning } from '../../cli/signing.ts';
import type { Trap } from './points.ts';

/** A service's process, started again whenever it ends. */
export interface LabProcess {
  readonly name: string;
  start(): Promise<void>;
  kill(): void;
  setTrap(trap: Trap): void;
  goOn(): void;
  /** Resolves when the process is up again; at once when it is up. */
  up(): Promise<void>;
  stop(): Promise<void>;
  readonly kills: number;
}

export interface LabProcessOptions {
  readonly world: World;
  readonly config: ServicesConfig;
  /** `child.ts`, or its bundle. */
  readonly entry: string;
  /** The trap has sprung, and the process waits for `goOn`. */
  readonly onSprung: () => void;
  /** The process ended without having been told to. */
  readonly onKilled: () => void;
}

export function createLabProcess({ config, entry, world, onSprung, onKilled }: LabProcessOptions): LabProcess {
  let child: ChildProcess | undefined;
  let ready = Promise.withResolvers<void>();
  let stopping = false;
  let kills = 0;

  function launch(): void {
    const mine = spawn(process.execPath, [entry], { stdio: ['ignore', 'ignore', 2, 'ipc'] });
    child = mine;
    answerSigning(mine, { config, world });
    mine.on('message', (message: { type: string }) => {
      if (message.type === 'here') mine.send({ type: 'start', config });
      if (message.type === 'ready') ready.resolve();
      if (message.type === 'sprung') onSprung();
    });
    mine.once('exit', () => {
      if (stopping) return;
      kills += 1;
      // Whoever waits for the old promise learns of the new one by asking again.
      ready.resolve();
      ready = Promise.withResolvers();
      onKilled();
      launch();
    });
  }

  async function up(): Promise<void> {
    for (;;) {
      const current = ready;
      await current.promise;
      if (current === ready) return;
    }
  }

  return {
    name: config.process,
    start() {
      launch();
      return up();
    },
    kill: () => void child?.kill('SIGKILL'),
    setTrap: (trap) => void child?.send({ type: 'trap', trap }),
    goOn: () => void child?.send({ type: 'go-on' }, () => {}),
    up,
    async stop() {
      stopping = true;
      if (!child || child.exitCode !== null) return;
      const gone = new Promise((resolve) => child?.once('exit', resolve));
      child.send({ type: 'stop' }, () => {});
      await gone;
    },
    get kills() {
      return kills;
    },
  };
}
