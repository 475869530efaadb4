import type { Database, Transaction } from '#kit/runtime';
import { type GroupMember, type GroupPartition, planAssignment } from './assignment.ts';
import type { Assignment, GroupMembership } from './log.ts';

export interface PostgresGroupOptions {
  readonly database: Database;
  readonly group: string;
  readonly topics: readonly string[];
  readonly member: string;
  readonly leaseMs: number;
  readonly partitionCount: number;
}

/** The usual heartbeat: one statement. Anything out of the ordinary answers with another epoch, or no row. */
const beatSql = `
  with beat as (
    update log_group_member set expires_at = now() + make_interval(secs => $3)
    where group_name = $1 and member = $2 and expires_at > now() returning member
  )
  select g.epoch from log_group g, beat
  where g.name = $1 and not exists (select from log_group_member m where m.group_name = $1 and m.expires_at <= now())`;

const createGroupSql = `insert into log_group (name) values ($1) on conflict do nothing`;

/** Members of one group take turns here, so each decides on what the others have already done. */
const lockGroupSql = `select epoch from log_group where name = $1 for update`;

const joinSql = `
  insert into log_group_member (group_name, member, topics, expires_at)
  values ($1, $2, $3, now() + make_interval(secs => $4))
  on conflict (group_name, member) do update set topics = excluded.topics, expires_at = excluded.expires_at
  returning (xmax = 0) as joined`;

const expireSql = `delete from log_group_member where group_name = $1 and expires_at <= now()`;

const createPartitionsSql = `
  insert into log_group_partition (group_name, topic, partition)
  select $1, topic, partition from unnest($2::text[]) as topic, generate_series(0, $3::integer - 1) as partition
  on conflict do nothing`;

const membersSql = `select member, topics from log_group_member where group_name = $1`;

const partitionsSql = `
  select p.topic, p.partition, p.generation, m.member
  from log_group_partition p
  left join log_group_member m on m.group_name = p.group_name and m.member = p.member
  where p.group_name = $1
  order by p.topic, p.partition`;

const claimSql = `
  update log_group_partition p set member = $2, generation = p.generation + 1
  from unnest($3::text[], $4::smallint[]) as c (topic, partition)
  where p.group_name = $1 and p.topic = c.topic and p.partition = c.partition
  returning p.topic, p.partition, p.generation`;

const releaseSql = `
  update log_group_partition p set member = null
  from unnest($3::text[], $4::smallint[]) as r (topic, partition)
  where p.group_name = $1 and p.member = $2 and p.topic = r.topic and p.partition = r.partition`;

const moveEpochSql = `update log_group set epoch = epoch + 1 where name = $1 returning epoch`;

const leaveSql = `delete from log_group_member where group_name = $1 and member = $2`;

const releaseAllSql = `update log_group_partition set member = null where group_name = $1 and member = $2`;

/** Membership of a consumer group kept in the log's database. Time is the database's, so members' clocks don't matter. */
export function joinPostgresGroup(options: PostgresGroupOptions): GroupMembership {
  const { database, group, topics, member, leaseMs, partitionCount } = options;
  const me: GroupMember = { member, topics };
  let held: readonly Assignment[] = [];
  let epoch: number | undefined;

  async function rebalance(tx: Transaction): Promise<{ held: readonly Assignment[]; epoch: number }> {
    await tx.query(createGroupSql, [group]);
    const locked = tx.query<{ epoch: number }>(lockGroupSql, [group]);
    const joined = tx.query<{ joined: boolean }>(joinSql, [group, member, topics, leaseMs / 1000]);
    const expired = tx.query(expireSql, [group]);
    const created = tx.query(createPartitionsSql, [group, topics, partitionCount]);
    const members = tx.query<GroupMember>(membersSql, [group]);
    const partitions = tx.query<PartitionRow>(partitionsSql, [group]);
    const answers = await Promise.all([locked, joined, expired, members, partitions, created]);
    const table = answers[4].rows.map((row) => ({ ...row, member: row.member ?? undefined }));
    const plan = planAssignment(table, answers[3].rows, me);
    const claimed = await applyPlan(tx, plan.claim, plan.release);
    const membersChanged = answers[1].rows[0]?.joined === true || answers[2].count > 0;
    const changed = membersChanged || plan.claim.length > 0 || plan.release.length > 0;
    const newEpoch = changed ? (await tx.query<{ epoch: number }>(moveEpochSql, [group])).rows[0] : answers[0].rows[0];
    const released = new Set(plan.release.map(nameOf));
    const kept = table.filter((row) => row.member === member && !released.has(nameOf(row)));
    return { held: [...kept, ...claimed].map(assignmentOf), epoch: newEpoch?.epoch ?? 0 };
  }

  async function applyPlan(
    tx: Transaction,
    claim: readonly GroupPartition[],
    release: readonly GroupPartition[],
  ): Promise<readonly Assignment[]> {
    if (release.length > 0) await tx.query(releaseSql, [group, member, ...columnsOf(release)]);
    if (claim.length === 0) return [];
    return (await tx.query<Assignment>(claimSql, [group, member, ...columnsOf(claim)])).rows;
  }

  return {
    async beat() {
      if (epoch !== undefined) {
        const { rows } = await database.query<{ epoch: number }>(beatSql, [group, member, leaseMs / 1000]);
        if (rows[0]?.epoch === epoch) return held;
      }
      const outcome = await database.transaction(rebalance);
      ({ held, epoch } = outcome);
      return held;
    },
    async leave() {
      epoch = undefined;
      held = [];
      await database.transaction(async (tx) => {
        await tx.query(lockGroupSql, [group]);
        await Promise.all([
          tx.query(releaseAllSql, [group, member]),
          tx.query(leaveSql, [group, member]),
          tx.query(moveEpochSql, [group]),
        ]);
      });
    },
  };
}

interface PartitionRow {
  readonly topic: string;
  readonly partition: number;
  readonly generation: number;
  readonly member: string | null;
}

function columnsOf(partitions: readonly GroupPartition[]): [string[], number[]] {
  return [partitions.map((p) => p.topic), partitions.map((p) => p.partition)];
}

function nameOf(partition: GroupPartition): string {
  return `${partition.topic}/${partition.partition}`;
}

function assignmentOf({ topic, partition, generation }: Assignment): Assignment {
  return { topic, partition, generation };
}
