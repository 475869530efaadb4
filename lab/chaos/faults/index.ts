import { chargedUnheard } from './charged-unheard.ts';
import { cut } from './cut.ts';
import { delay } from './delay.ts';
import { diskFull } from './disk-full.ts';
import { duplicate } from './duplicate.ts';
import { expiredIdentity } from './expired-identity.ts';
import { faketime } from './faketime.ts';
import type { Fault } from './fault.ts';
import { fileLimit } from './file-limit.ts';
import { fsyncError } from './fsync-error.ts';
import { kill } from './kill.ts';
import { killInCommit } from './kill-in-commit.ts';
import { lostReply } from './lost-reply.ts';
import { lostRequest } from './lost-request.ts';
import { oneWay } from './one-way.ts';
import { packetLoss, packetPartition, packetReset } from './packets.ts';
import { partition } from './partition.ts';
import { pause } from './pause.ts';
import { poison } from './poison.ts';
import { poolExhausted } from './pool-exhausted.ts';
import { postgresFreeze } from './postgres-freeze.ts';
import { postgresKill } from './postgres-kill.ts';
import { postgresPause } from './postgres-pause.ts';
import { providerFails } from './provider-fails.ts';
import { providerStalls } from './provider-stalls.ts';
import { refuse } from './refuse.ts';
import { reorder } from './reorder.ts';
import { reset } from './reset.ts';
import { restart } from './restart.ts';
import { restartLoop } from './restart-loop.ts';
import { revokedIdentity } from './revoked-identity.ts';
import { skew } from './skew.ts';
import { slowFsync } from './slow-fsync.ts';
import { slowLink } from './slow-link.ts';
import { smtpDown } from './smtp-down.ts';
import { staleDiscovery } from './stale-discovery.ts';
import { walFull } from './wal-full.ts';
import { webhookTwice } from './webhook-twice.ts';

/** Every fault that the laboratory knows, by class. */
export const faults: readonly Fault[] = [
  kill,
  pause,
  restart,
  restartLoop,
  revokedIdentity,
  expiredIdentity,
  postgresKill,
  postgresPause,
  postgresFreeze,
  killInCommit,
  partition,
  oneWay,
  delay,
  slowLink,
  cut,
  refuse,
  reset,
  lostReply,
  lostRequest,
  duplicate,
  reorder,
  packetLoss,
  packetPartition,
  packetReset,
  fileLimit,
  diskFull,
  walFull,
  slowFsync,
  fsyncError,
  skew,
  faketime,
  chargedUnheard,
  providerStalls,
  providerFails,
  webhookTwice,
  smtpDown,
  poolExhausted,
  staleDiscovery,
  poison,
];
