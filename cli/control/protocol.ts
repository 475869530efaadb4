import type { ExitCode } from '../failure.ts';
import type { Served } from '../served-lately.ts';

/**
 * What `holdfast status`, `scale`, `restart`, `kill`, `pause` and `resume` say to the command that runs on a data
 * directory: HTTP over the unix socket `control.sock` in there, which only its owner may open. README.md lists the
 * requests. Each reply is lines of JSON: first any number of `Progress`, and last a `Done` or a `Refused`.
 */
export interface Progress {
  readonly say: string;
}

export interface Refused {
  readonly ok: false;
  /** One sentence, with the remedy. */
  readonly error: string;
  readonly exitCode: ExitCode;
}

export interface Done {
  readonly ok: true;
}

export type InstanceState = 'new' | 'starting' | 'ready' | 'paused' | 'waiting' | 'leaving' | 'stopped';

/** One process of the topology. */
export interface InstanceStatus {
  /** `orders-2` */
  readonly name: string;
  readonly services: readonly string[];
  /** `waiting`: it has ended and is started again in a moment. `leaving`: another has taken its place, or it is too many. */
  readonly state: InstanceState;
  readonly restarts: number;
  readonly pid?: number;
  /** Where it is called, `host:port`. */
  readonly address?: string;
  /** How long it has been ready. */
  readonly upMs?: number;
  /** What keeps it from serving, by component; empty when it is well, absent when it does not answer. */
  readonly unready?: Readonly<Record<string, string>>;
  /** Requests that it works on. */
  readonly inFlight?: number;
  /** In the last 5 to 10 seconds; a gateway, balancer or edge tells of the whole requests alone. */
  readonly served?: Served;
  /** Why it does not serve. */
  readonly why?: string;
}

export interface SystemStatus extends Done {
  readonly topology: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly upMs: number;
  readonly urls: Readonly<Record<string, string>>;
  readonly database: { readonly pid?: number };
  readonly instances: readonly InstanceStatus[];
}

/** What can be done to the processes of a topology while it runs. All but `instances` throw a `Failure` that says why not. */
export interface Operations {
  readonly instances: () => Promise<readonly InstanceStatus[]>;
  /** `kill -9`; the supervisor starts it again. */
  readonly kill: (process: string) => Promise<void>;
  /** SIGSTOP and SIGCONT. */
  readonly pause: (process: string) => Promise<void>;
  readonly resume: (process: string) => Promise<void>;
  /** Takes the certificate of a process, or one by its serial number, out of use; the process is replaced, with a new key. */
  readonly revoke: (processOrSerial: string, say: Say) => Promise<void>;
  /** Of services or processes; when none is named of all but what stands for the payment provider. */
  readonly restart: (names: readonly string[], options: RestartOptions) => Promise<void>;
  /** Resolves when so many serve. */
  readonly scale: (service: string, instances: number, say: Say) => Promise<void>;
}

export interface RestartOptions {
  /** One after the other, each replaced before it leaves. Otherwise all at once, and what they do is interrupted. */
  readonly rolling: boolean;
  readonly say: Say;
}

/** Tells the progress of something that takes time. */
export type Say = (text: string) => void;
