import { availableParallelism } from 'node:os';
import { addressOf } from './address.ts';
import type { InstanceStatus, Say } from './control/index.ts';
import { createDoors } from './doors.ts';
import { exitCodes, Failure } from './failure.ts';
import { createPlanner, instanceName, type Planner } from './plan.ts';
import type { Processes, ProcessesOptions } from './processes.ts';
import type { ServicesConfig } from './services.ts';
import { createSpares, type Spares } from './spares.ts';
import { type SupervisedProcess, superviseProcess } from './supervisor.ts';
import { instancesMax, isSingle, type ProcessTopology, type ServiceName } from './topology.ts';

/** Processes that are alike. */
interface Group {
  readonly name: string;
  readonly runs: readonly ServiceName[];
  members: Member[];
}

interface Member {
  readonly process: SupervisedProcess;
  isLeaving: boolean;
}

const pulseTimeoutMs = 500;
/** A process that is one too many serves on for so long after it has left the registry: until all have looked there. */
const leaveMs = 1_500;

/** Each process of a topology as a child that is kept running; they can be replaced, added and taken away. */
export function createFleet(options: ProcessesOptions): Processes {
  const { world, topology, onChange } = options;
  let groups: Group[] = [];
  let planner: Planner | undefined;
  let program: Program = {};
  let changing: string | undefined;
  const members = () => groups.flatMap((group) => group.members);

  const doors = createDoors();
  const loading = loadAhead(options);
  const supervised = (config: ServicesConfig): Member => ({
    process: superviseProcess({ config, world, onChange, doors, ...program }),
    isLeaving: false,
  });

  async function start(): Promise<void> {
    [planner, program] = await Promise.all([createPlanner(options), loading]);
    const configs = await planner.all();
    const groupOf = ({ name, runs, instances }: ProcessTopology): Group => ({
      ...{ name, runs },
      members: configs.splice(0, instances).map(supervised),
    });
    groups = topology.processes.map(groupOf);
    try {
      await startAll(members().map(({ process }) => process));
    } finally {
      program.spares?.end();
    }
  }

  /** The edge opens the shop, so it starts when everything behind it serves. */
  async function startAll(processes: readonly SupervisedProcess[]): Promise<void> {
    const isEdge = ({ config }: SupervisedProcess) => config.services.includes('edge');
    const edges = processes.filter(isEdge);
    const inner = processes.filter((process) => !isEdge(process));
    const { onStarted = () => {} } = options;
    await startInOrder(inner, (started) => onStarted(started, processes.length));
    await startInOrder(edges, (started) => onStarted(inner.length + started, processes.length));
  }

  /** In reverse, so that the public door closes first and whoever is called ends after its callers. */
  async function drain(): Promise<void> {
    // Whoever knocks from now on is refused, as nobody would answer.
    doors.close();
    for (const group of groups.toReversed()) await Promise.all(group.members.map(({ process }) => process.stop()));
  }

  function processOf(name: string): SupervisedProcess {
    const found = members().find(({ process }) => process.name === name);
    if (found) return found.process;
    throw unknown(name, members());
  }

  /** Those that are meant by names of processes, groups or services; all of ours for none. In start order. */
  function chosen(names: readonly string[]): Member[] {
    const fits = (group: Group, { process }: Member, name: string) =>
      process.name === name || group.name === name || group.runs.includes(name as ServiceName);
    for (const name of names) {
      if (!groups.some((group) => group.members.some((member) => fits(group, member, name))))
        throw unknown(name, members());
    }
    // What stands for the payment provider is somebody else's system: it is restarted when it is named.
    const isOurs = ({ runs }: Group) => !runs.includes('payment-sandbox') || runs.length > 1;
    const isChosen = (group: Group, member: Member) =>
      names.length === 0 ? isOurs(group) : names.some((name) => fits(group, member, name));
    return groups.flatMap((group) => group.members.filter((member) => isChosen(group, member)));
  }

  /** One change at a time: two that meet would each count on what the other takes away. */
  async function change(what: string, work: (planner: Planner) => Promise<void>): Promise<void> {
    if (!planner) throw new Failure(exitCodes.unavailable, 'The processes have not been started yet: wait a moment.');
    if (changing) throw new Failure(exitCodes.unavailable, `A change is under way (${changing}): wait for its end.`);
    changing = what;
    try {
      await work(planner);
    } finally {
      changing = undefined;
      onChange();
    }
  }

  async function replace({ process }: Member, say: Say, { one }: Planner): Promise<void> {
    const startedMs = world.clock.monotonicMs();
    const { services } = process.config;
    // It keeps its ledger in a file, as the provider that it stands for would: for a moment there is none.
    if (services.includes('payment-sandbox')) await process.restart();
    else await process.replace(await one(process.name, services));
    say(
      `${process.name} replaced in ${((world.clock.monotonicMs() - startedMs) / 1_000).toFixed(1)} s, pid ${process.pid}`,
    );
  }

  async function grow(group: Group, count: number, say: Say, { one }: Planner): Promise<void> {
    const names = Array.from({ length: instancesMax }, (_, i) => instanceName(group.name, i + 1, 2));
    const taken = new Set(group.members.map(({ process }) => process.name));
    // The only one that there was is called as the group is, and counts as the first.
    if (taken.has(group.name)) taken.add(instanceName(group.name, 1, 2));
    const fresh = names.filter((name) => !taken.has(name)).slice(0, count - group.members.length);
    const added = await Promise.all(fresh.map(async (name) => supervised(await one(name, group.runs))));
    group.members = [...group.members, ...added];
    const outcomes = await Promise.allSettled(
      added.map(async ({ process }) => {
        await process.start();
        say(`${process.name} is ready, pid ${process.pid}`);
      }),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failed) return;
    group.members = group.members.filter(({ process }) => process.state !== 'stopped');
    throw failed.reason;
  }

  async function shrink(group: Group, count: number, say: Say): Promise<void> {
    const leaving = group.members.slice(count);
    for (const member of leaving) member.isLeaving = true;
    await Promise.all(
      leaving.map(async ({ process }) => {
        await process.stop(leaveMs);
        say(`${process.name} has ended what it did and left`);
      }),
    );
    group.members = group.members.slice(0, count);
  }

  function groupOf(service: string): Group {
    const group = groups.find(({ name, runs }) => name === service || runs.includes(service as ServiceName));
    if (group) return group;
    const names = groups.map(({ name }) => name).join(', ');
    throw new Failure(exitCodes.usage, `There is no service "${service}" here: give one of ${names}.`);
  }

  return {
    name: 'processes',
    start,
    drain,
    async check() {
      const down = members().filter(({ process }) => process.down() !== undefined);
      return down.length === 0 ? undefined : down.map(({ process }) => `${process.name}: ${process.down()}`).join('; ');
    },
    urls: () => Object.assign({}, ...members().map(({ process }) => process.urls)),
    demo: () => members().find(({ process }) => process.demo !== undefined)?.process.demo,
    list: () =>
      members().map(({ process }) => ({
        name: process.name,
        pid: process.pid,
        services: process.config.services,
        restarts: process.restarts,
      })),
    instances: () => Promise.all(members().map(statusOf)),
    kill: async (name) => processOf(name).kill(),
    pause: async (name) => processOf(name).pause(),
    resume: async (name) => processOf(name).resume(),
    hold: async (name) => processOf(name).hold(),
    release: async (name) => processOf(name).release(),
    revoke: (named, say) =>
      change('a certificate is being revoked', async (plans) => {
        const isSerial = /^[0-9A-Fa-f]{32}$/.test(named);
        const member = members().find(({ process }) =>
          isSerial ? process.serial === named.toUpperCase() : process.name === named,
        );
        const serial = isSerial ? named : member?.process.serial;
        if (!member && !isSerial) throw unknown(named, members());
        if (serial === undefined) {
          throw new Failure(exitCodes.usage, `${named} has no certificate in the mesh, so there is none to revoke.`);
        }
        const { revokeCertificate } = await import('./revoke.ts');
        await revokeCertificate(options.databases()['log'] as string, serial, world);
        say(`certificate ${serial} counts no more`);
        if (member) await replace(member, say, plans);
      }),
    restart: (names, { rolling, say }) =>
      change('a restart', async (plans) => {
        const all = chosen(names);
        if (!rolling) return void (await Promise.all(all.map(({ process }) => process.restart())));
        for (const member of all) await replace(member, say, plans);
      }),
    scale: (service, instances, say) =>
      change(`${service} is being scaled`, async (plans) => {
        const group = groupOf(service);
        requireCount(group, instances);
        if (instances > group.members.length) await grow(group, instances, say, plans);
        else await shrink(group, instances, say);
      }),
  };
}

interface Program {
  /** Default: the sources. */
  readonly entry?: string;
  readonly spares?: Spares;
}

/** As many children as start at once load what all have in common, before anybody can say what they are. */
async function loadAhead({ entry: made, topology }: ProcessesOptions): Promise<Program> {
  const entry = await made?.();
  if (entry === undefined) return {};
  const count = topology.processes.reduce((sum, { instances }) => sum + instances, 0);
  return { entry, spares: createSpares({ entry, output: 2 }, Math.min(startsAtOnce, count)) };
}

/** A few for each core: more at once would all be slower, and wait for one another longer than they have patience. */
const startsAtOnce = 3 * availableParallelism();

/** Resolves when all serve. Throws what the first says that can't. */
export async function startInOrder(
  processes: readonly Pick<SupervisedProcess, 'start'>[],
  onStarted: (started: number, of: number) => void = () => {},
): Promise<void> {
  const waiting = [...processes];
  let started = 0;
  const starter = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      await next.start();
      started += 1;
      onStarted(started, processes.length);
    }
  };
  await Promise.all(Array.from({ length: startsAtOnce }, starter));
}

async function statusOf({ process, isLeaving }: Member): Promise<InstanceStatus> {
  const { name, config, restarts, pid, readyMs } = process;
  const at =
    config.edge?.https ?? config.balancer ?? (config.services.includes('gateway') ? config.public : config.mesh);
  const why = process.down();
  const pulse = process.state === 'ready' ? await process.pulse(pulseTimeoutMs) : undefined;
  return {
    ...{ name, services: [...config.services], restarts },
    state: isLeaving ? 'leaving' : process.state,
    ...(pid === undefined ? {} : { pid }),
    ...(at === undefined ? {} : { address: addressOf(at) }),
    ...(readyMs === undefined ? {} : { upMs: Math.round(readyMs) }),
    ...(why === undefined ? {} : { why }),
    ...pulse,
  };
}

function requireCount({ name, runs }: Group, instances: number): void {
  const single = runs.find(isSingle);
  if (single && instances !== 1) {
    throw new Failure(exitCodes.usage, `There can be only one ${single}, so ${name} can't be scaled.`);
  }
  if (Number.isInteger(instances) && instances >= 1 && instances <= instancesMax) return;
  throw new Failure(exitCodes.usage, `${name} can have 1 to ${instancesMax} instances: give such a number.`);
}

function unknown(name: string, all: readonly Member[]): Failure {
  const names = all.map(({ process }) => process.name).join(', ');
  return new Failure(exitCodes.usage, `There is no process "${name}": give one of ${names}.`);
}
