import { expect, test } from 'vitest';
import type { EventEnvelope } from '../envelope.ts';
import type { EventLog } from '../log.ts';
import { partitionCount, partitionOf } from '../partition.ts';
import { readAll } from '../testing/index.ts';

/** What the suite needs from an adapter. */
export interface EventLogFixture {
  /** Another client of the same log, as another process would have it. */
  open(): Promise<EventLog>;
  /** Makes members that have not left count as crashed. */
  expireMembers(log: EventLog): Promise<void>;
}

/** What every log has to do: run it in the test file of each adapter. Topics are new for each test. */
export function describeEventLog(name: string, fixture: () => EventLogFixture): void {
  let topicCount = 0;
  const newTopic = () => `conformance-${++topicCount}`;
  const open = () => fixture().open();

  test(`${name}: events of a key come back in the order of their appends, with offsets free of gaps`, async () => {
    const log = await open();
    const topic = newTopic();
    for (let i = 0; i < 5; i++) await log.append(topic, [event('a', i), event('b', i), event('a', i + 100)]);
    const records = await log.read([{ topic, partition: partitionOf('a'), fromOffset: 0 }], 100, 100);
    const ofA = records.filter((record) => record.event.subject === 'a').map((record) => record.event.data);
    expect(ofA).toEqual([0, 100, 1, 101, 2, 102, 3, 103, 4, 104]);
    expect(records.map((record) => record.offset)).toEqual(records.map((_, i) => i));
  });

  test(`${name}: concurrent appends leave no gap and lose nothing`, async () => {
    const logs = await Promise.all([open(), open(), open()]);
    const topic = newTopic();
    const appends = logs.flatMap((log, l) =>
      Array.from({ length: 10 }, (_, i) => log.append(topic, [event('k', l * 100 + i), event(`other-${l}`, i)])),
    );
    await Promise.all(appends);
    const records = await readAll(logs[0] as EventLog, topic);
    expect(records).toHaveLength(60);
    for (let partition = 0; partition < partitionCount; partition++) {
      const offsets = records.filter((one) => one.partition === partition).map((one) => one.offset);
      expect(offsets).toEqual(offsets.map((_, i) => i));
    }
  });

  test(`${name}: a reader never sees an offset before all lower ones`, async () => {
    const [writer, reader] = [await open(), await open()];
    const topic = newTopic();
    const partition = partitionOf('k');
    let done = false;
    const writing = Promise.all(Array.from({ length: 40 }, (_, i) => writer.append(topic, [event('k', i)]))).then(
      () => {
        done = true;
      },
    );
    let next = 0;
    while (!done || next < 40) {
      for (const { offset } of await reader.read([{ topic, partition, fromOffset: next }], 7, 7)) {
        expect(offset).toBe(next);
        next += 1;
      }
    }
    await writing;
  });

  test(`${name}: an append is accepted once for each version of its producer`, async () => {
    const [log, other] = [await open(), await open()];
    const topic = newTopic();
    const batch = (expectedVersion: number, data: number) => ({
      partition: 3,
      expectedVersion,
      outboxIds: [data],
      envelopes: [JSON.stringify(event('k', data))],
    });
    expect((await log.lastAppends(topic, 'p')).get(3)).toEqual({ version: 0, outboxIds: [] });
    expect([...(await log.appendExactly(topic, 'p', [batch(0, 1)]))]).toEqual([3]);
    expect([...(await log.appendExactly(topic, 'p', [batch(0, 1)]))]).toEqual([]);
    expect([...(await other.appendExactly(topic, 'p', [batch(0, 2)]))]).toEqual([]);
    expect((await other.lastAppends(topic, 'p')).get(3)).toEqual({ version: 1, outboxIds: [1] });
    expect([...(await other.appendExactly(topic, 'p', [batch(1, 2)]))]).toEqual([3]);
    // Another producer, and the same one on another topic, count for themselves.
    expect([...(await log.appendExactly(topic, 'q', [batch(0, 3)]))]).toEqual([]);
    await log.lastAppends(topic, 'q');
    expect([...(await log.appendExactly(topic, 'q', [batch(0, 3)]))]).toEqual([3]);
    expect((await readAll(log, topic)).map((record) => record.event.data)).toEqual([1, 2, 3]);
  });

  test(`${name}: of many relays that race with the same version one wins`, async () => {
    const logs = await Promise.all([open(), open(), open(), open()]);
    const topic = newTopic();
    await logs[0]?.lastAppends(topic, 'p');
    const outcomes = await Promise.all(
      logs.map((log, i) =>
        log.appendExactly(topic, 'p', [
          { partition: 0, expectedVersion: 0, outboxIds: [i], envelopes: [JSON.stringify(event('k', i))] },
        ]),
      ),
    );
    expect(outcomes.filter((accepted) => accepted.has(0))).toHaveLength(1);
    expect(await readAll(logs[0] as EventLog, topic)).toHaveLength(1);
  });

  test(`${name}: an envelope comes back as it was, whatever its text`, async () => {
    const log = await open();
    const topic = newTopic();
    const odd = event('schlüssel ☂ "\' \\', {
      text: 'a\u0000b \ud83d\ude00 {"x":[1]} $1 \n',
      big: 1e21,
      nothing: null,
    });
    await log.append(topic, [odd]);
    expect((await readAll(log, topic))[0]?.event).toEqual(odd);
  });

  test(`${name}: reading is bounded in all and for each range`, async () => {
    const log = await open();
    const topic = newTopic();
    const events = Array.from({ length: 60 }, (_, i) => event(`key-${i % 20}`, i));
    await log.append(topic, events);
    const ranges = (await log.bounds([topic])).map((one) => ({ topic, partition: one.partition, fromOffset: 0 }));
    const records = await log.read(ranges, 10, 2);
    expect(records).toHaveLength(10);
    for (const range of ranges) {
      expect(records.filter((one) => one.partition === range.partition).length).toBeLessThanOrEqual(2);
    }
    expect(await log.read([], 10, 10)).toEqual([]);
  });

  test(`${name}: bounds name every partition of a topic, also of a new one`, async () => {
    const log = await open();
    const topic = newTopic();
    const fresh = await log.bounds([topic]);
    expect(fresh.map((one) => [one.firstOffset, one.nextOffset])).toEqual(Array(partitionCount).fill([0, 0]));
    await log.append(topic, [event('k', 1), event('k', 2)]);
    const bounds = await log.bounds([topic]);
    expect(bounds.find((one) => one.partition === partitionOf('k'))?.nextOffset).toBe(2);
  });

  test(`${name}: appends wake listeners here and in other processes`, async () => {
    const [log, other] = [await open(), await open()];
    const topic = newTopic();
    const heard = { here: Promise.withResolvers<void>(), there: Promise.withResolvers<void>() };
    const cancels = [
      await log.onAppend((at) => at === topic && heard.here.resolve()),
      await other.onAppend((at) => at === topic && heard.there.resolve()),
    ];
    await log.append(topic, [event('k', 1)]);
    await Promise.all([heard.here.promise, heard.there.promise]);
    for (const cancel of cancels) cancel();
  });

  test(`${name}: members of a group share all partitions, and a newcomer moves only what it is due`, async () => {
    const topic = newTopic();
    const [a, b] = [(await open()).join(topic, [topic], 'a'), (await open()).join(topic, [topic], 'b')];
    expect(await a.beat()).toHaveLength(partitionCount);
    expect(await b.beat()).toHaveLength(0);
    const ofA = await a.beat();
    const ofB = await b.beat();
    expect(ofA).toHaveLength(partitionCount / 2);
    expect(ofB).toHaveLength(partitionCount / 2);
    expect(new Set([...ofA, ...ofB].map((one) => one.partition)).size).toBe(partitionCount);
    // Only what moved has a new generation.
    expect(ofA.every((one) => one.generation === 1)).toBe(true);
    expect(ofB.every((one) => one.generation === 2)).toBe(true);
    await a.leave();
    expect(await b.beat()).toHaveLength(partitionCount);
    await b.leave();
  });

  test(`${name}: the partitions of a member that crashed go to the others with a greater generation`, async () => {
    const topic = newTopic();
    const log = await open();
    const [a, b] = [log.join(topic, [topic], 'a'), (await open()).join(topic, [topic], 'b')];
    await a.beat();
    await fixture().expireMembers(log);
    const taken = await b.beat();
    expect(taken).toHaveLength(partitionCount);
    expect(taken.every((one) => one.generation === 2)).toBe(true);
    // The one that was thought dead comes back as a newcomer.
    expect(await a.beat()).toHaveLength(0);
    await b.beat();
    expect(await a.beat()).toHaveLength(partitionCount / 2);
  });

  test(`${name}: groups don't disturb each other`, async () => {
    const topic = newTopic();
    const log = await open();
    const [a, b] = [log.join(`${topic}-x`, [topic], 'm'), log.join(`${topic}-y`, [topic], 'm')];
    expect(await a.beat()).toHaveLength(partitionCount);
    expect(await b.beat()).toHaveLength(partitionCount);
  });

  test(`${name}: retention removes the oldest events only, and bounds say so`, async () => {
    const log = await open();
    const topic = newTopic();
    for (let i = 0; i < 10; i++) await log.append(topic, [event('k', i)]);
    expect(await log.sweep(topic, {})).toBe(0);
    expect(await log.sweep(topic, { ageMsMax: 3_600_000, eventsMax: 100 })).toBe(0);
    expect(await log.sweep(topic, { eventsMax: 4 })).toBe(6);
    const partition = partitionOf('k');
    const bounds = (await log.bounds([topic])).find((one) => one.partition === partition);
    expect([bounds?.firstOffset, bounds?.nextOffset]).toEqual([6, 10]);
    const rest = await log.read([{ topic, partition, fromOffset: 0 }], 100, 100);
    expect(rest.map((record) => record.offset)).toEqual([6, 7, 8, 9]);
    expect(await log.sweep(topic, { ageMsMax: -1_000 })).toBe(4);
    await log.append(topic, [event('k', 10)]);
    expect((await log.read([{ topic, partition, fromOffset: 0 }], 100, 100))[0]?.offset).toBe(10);
  });
}

let count = 0;

function event(key: string, data: unknown): EventEnvelope {
  count += 1;
  return {
    specversion: '1.0',
    id: `evt_${count}`,
    source: 'conformance',
    type: 'thing.happened',
    subject: key,
    time: '2030-01-01T00:00:00.000Z',
    datacontenttype: 'application/json',
    data,
  };
}
