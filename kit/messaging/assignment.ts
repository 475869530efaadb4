/** A partition as the group's table has it. */
export interface GroupPartition {
  readonly topic: string;
  readonly partition: number;
  /** Undefined when free. */
  readonly member: string | undefined;
}

export interface GroupMember {
  readonly member: string;
  readonly topics: readonly string[];
}

export interface AssignmentPlan {
  readonly claim: readonly GroupPartition[];
  readonly release: readonly GroupPartition[];
}

/**
 * What one member should take and give up. Each member decides for itself from the same table: its quota a topic is
 * the even share, the remainder going to the first members by name; which partitions make it up stays as it is as far
 * as possible, so that a newcomer moves only what it is due. Members that all follow the plan end up with every
 * partition held and no two quotas more than one apart.
 */
export function planAssignment(
  partitions: readonly GroupPartition[],
  members: readonly GroupMember[],
  me: GroupMember,
): AssignmentPlan {
  const claim: GroupPartition[] = [];
  const release: GroupPartition[] = partitions.filter((p) => p.member === me.member && !me.topics.includes(p.topic));
  for (const topic of me.topics) {
    const ofTopic = partitions.filter((p) => p.topic === topic);
    const readers = members.filter((m) => m.topics.includes(topic)).map((m) => m.member);
    const quota = quotaOf(ofTopic.length, readers, me.member);
    const mine = ofTopic.filter((p) => p.member === me.member);
    const free = ofTopic.filter((p) => p.member === undefined);
    claim.push(...free.slice(0, Math.max(0, quota - mine.length)));
    release.push(...mine.slice(quota));
  }
  return { claim, release };
}

function quotaOf(total: number, readers: readonly string[], member: string): number {
  const rank = readers.toSorted().indexOf(member);
  if (rank < 0) return 0;
  return Math.floor(total / readers.length) + (rank < total % readers.length ? 1 : 0);
}
