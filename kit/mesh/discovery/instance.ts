/** A running process that can be called, as it tells the registry of itself. */
export interface Instance {
  /** Its name in its certificate, `orders-2`: whoever answers at the address has to prove it. */
  readonly process: string;
  /** Another one with every start. */
  readonly startId: string;
  readonly services: readonly string[];
  readonly host: string;
  readonly port: number;
  /** On the same host: what operators read, in the clear. */
  readonly operatorPort: number;
  /** On the same host: where it answers clients from outside, in the clear, if it does. For the balancer before it. */
  readonly doorPort?: number;
  /** Callers prefer instances of their own zone. */
  readonly zone: string;
}

/** What a look at the registry shows. */
export interface Snapshot {
  readonly instances: readonly Instance[];
  /** Serial numbers of certificates that count no more. */
  readonly revoked: readonly string[];
}

/** Where instances make themselves known. Behind it PostgreSQL, later etcd; `testing/conformance.ts` says what holds. */
export interface Registry {
  /** Puts the instance there for `leaseMs`, in the place of another start of it. Tells all watchers. */
  join(instance: Instance, leaseMs: number): Promise<void>;
  /**
   * Keeps it there for another `leaseMs`, or puts it back when it has been forgotten; unless another start of it has
   * taken its place and lives. Tells all watchers when it was put back.
   */
  renew(instance: Instance, leaseMs: number): Promise<void>;
  /** Takes it away, if it is still this start of it. Tells all watchers. */
  remove(instance: Pick<Instance, 'process' | 'startId'>): Promise<void>;
  /** All instances whose lease runs, and forgets those whose lease has long run out. */
  look(): Promise<Snapshot>;
  /** A certificate counts no more, for `keptMs`: longer than it would have been good. Tells all watchers. */
  revoke(serial: string, keptMs: number): Promise<void>;
  /** Calls `onChange` soon after anything has changed. May be lost: look now and then too. */
  watch(onChange: () => void): Promise<() => void>;
}
