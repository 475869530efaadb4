import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type GroupPartition, planAssignment } from './assignment.ts';

const topics = ['t'];

/** Members beat in any order, come and go, until nobody wants a change. */
function settle(
  partitions: GroupPartition[],
  names: readonly string[],
): { partitions: GroupPartition[]; moves: number } {
  const members = names.map((member) => ({ member, topics }));
  let table = partitions.map((p) => (p.member && names.includes(p.member) ? p : { ...p, member: undefined }));
  let moves = 0;
  for (let round = 0; round < 5; round++) {
    for (const me of members) {
      const { claim, release } = planAssignment(table, members, me);
      moves += claim.length + release.length;
      const change = (p: GroupPartition) =>
        claim.includes(p) ? { ...p, member: me.member } : release.includes(p) ? { ...p, member: undefined } : p;
      table = table.map(change);
    }
  }
  return { partitions: table, moves };
}

test('whoever comes and goes, all partitions end up held and evenly, and then nothing moves any more', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(names, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 40 }), (history, count) => {
      let table: GroupPartition[] = Array.from({ length: count }, (_, partition) => ({
        topic: 't',
        partition,
        member: undefined,
      }));
      for (const members of history) {
        table = settle(table, members).partitions;
        const held = members.map((name) => table.filter((p) => p.member === name).length);
        expect(held.reduce((sum, n) => sum + n, 0)).toBe(count);
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
        expect(settle(table, members).moves).toBe(0);
      }
    }),
  );
});

test('a newcomer moves only what it is due', () => {
  const sixteen = Array.from({ length: 16 }, (_, partition) => ({ topic: 't', partition, member: undefined }));
  const three = settle(sixteen, ['a', 'b', 'c']);
  expect(settle(three.partitions, ['a', 'b', 'c', 'd']).moves).toBe(2 * 4);
});
