import { spawnSync } from 'node:child_process';
import type { Random } from '#kit/runtime';
import type { Rig } from '../rig.ts';
import { drawBetween, type Fault, type Injection, processNames } from './fault.ts';
import { busyWays, drawDirection } from './network.ts';

/**
 * Faults of single packets, by rules of the kernel (nftables) on the ports of a run's proxies and nobody else's: what the
 * proxies can't do, since they are handed a stream. The kernel sends again what it loses, later and later. (Delay stays with
 * the proxies: it needs `tc` with netem, which many kernels are built without.)
 */
function packetFault(
  about: Pick<Fault, 'name' | 'does' | 'durationMs' | 'targets'>,
  draw: (random: Random) => {
    readonly detail: string;
    readonly verdict: string;
    readonly ways: 'to' | 'from' | 'both';
  },
): Fault {
  return {
    ...about,
    class: 'network',
    privileged: true,
    missing: missingNft,
    async inject(rig, target, random) {
      const { detail, verdict, ways } = draw(random);
      const matches = portsOf(rig, target).flatMap((port) => [
        ...(ways === 'from' ? [] : [`tcp dport ${port}`]),
        ...(ways === 'to' ? [] : [`tcp sport ${port}`]),
      ]);
      return inForce(
        `holdfast_${process.pid}_${rig.world.ids.next('nft').slice(-8).toLowerCase()}`,
        matches.map((match) => `iifname "lo" ${match} ${verdict}`),
        detail,
      );
    },
  };
}

/** Of one way; or of all ways from and to a process. */
const portsOf = ({ ways }: Rig, target: string): number[] =>
  ways.all
    .filter(({ name, from, to }) => name === target || from === target || to === target)
    .map(({ name }) => ways.portOf(name));

/** A table of our own, so that healing takes away exactly what was put there. */
function inForce(table: string, rules: readonly string[], detail: string): Injection {
  nft(tableOf(table, rules));
  const struck = () =>
    [...nft(`list table inet ${table}`).matchAll(/counter packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
  let last: number | undefined;
  return {
    detail,
    effects: () => last ?? struck(),
    heal() {
      last ??= struck();
      nft(`delete table inet ${table}`);
    },
  };
}

const tableOf = (table: string, rules: readonly string[]): string =>
  [`table inet ${table} {`, 'chain packets {', 'type filter hook input priority 0', ...rules, '}', '}', ''].join('\n');

function nft(commands: string): string {
  const { status, stdout, stderr } = spawnSync('nft', ['-f', '-'], { input: `${commands}\n`, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft refuses "${commands}": ${stderr}`);
  return stdout;
}

/** Tried in a network of its own, which ends with it. */
function missingNft(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may make rules for packets';
  if (spawnSync('nft', ['--version']).status !== 0) return 'nft is not installed (Debian package nftables)';
  const verdicts = ['numgen random mod 100 < 1 counter drop', 'counter reject with tcp reset'];
  const input = tableOf(
    'holdfast_try',
    verdicts.map((verdict) => `tcp dport 1 ${verdict}`),
  );
  const tried = spawnSync('unshare', ['--net', 'nft', '-f', '-'], { input, encoding: 'utf8' });
  return tried.status === 0 ? undefined : `this kernel takes no such rules: ${tried.stderr.split('\n')[0]}`;
}

export const packetLoss = packetFault(
  {
    name: 'packet-loss',
    does: 'lets the kernel lose a share of the packets of one way, both there and back',
    durationMs: [2_000, 5_000],
    targets: busyWays,
  },
  (random) => {
    const percent = drawBetween(random, 5, 40);
    return { detail: `${percent} %`, verdict: `numgen random mod 100 < ${percent} counter drop`, ways: 'both' };
  },
);

export const packetPartition = packetFault(
  {
    name: 'packet-partition',
    does: 'cuts a process off as a pulled cable does: every packet from and to it is lost, or only those of one direction',
    durationMs: [2_000, 6_000],
    targets: processNames,
  },
  (random) => {
    const direction = random.next() < 0.5 ? undefined : drawDirection(random);
    const ways = direction === undefined ? 'both' : direction === 'to-server' ? 'to' : 'from';
    return { detail: direction ?? 'both ways', verdict: 'counter drop', ways };
  },
);

export const packetReset = packetFault(
  {
    name: 'packet-reset',
    does: 'answers every packet of one way with a reset, as a firewall does that has forgotten its connections',
    durationMs: [500, 2_000],
    targets: busyWays,
  },
  () => ({ detail: 'to-server', verdict: 'counter reject with tcp reset', ways: 'to' }),
);
