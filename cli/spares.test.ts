import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createSpares } from './spares.ts';
import { newFolder } from './testing.ts';

/** Says that it is there, and then what it is told. */
const program = `process.on('message', (message) => process.send({ type: 'told', message }));
process.on('disconnect', () => process.exit());
process.send({ type: 'here' });`;

test('children wait until they are told what they are, each is given once, and those left over end', async () => {
  const entry = join(newFolder(), 'child.mjs');
  writeFileSync(entry, program);
  const spares = createSpares({ entry, output: 2 }, 3);
  onTestFinished(() => spares.end());
  const first = spares.take();
  await expect.poll(() => first?.isHere()).toBe(true);
  first?.child.send({ type: 'start' });
  const [answer] = await once(first?.child as NonNullable<typeof first>['child'], 'message');
  expect(answer).toEqual({ type: 'told', message: { type: 'start' } });
  first?.child.disconnect();

  const second = spares.take();
  expect(second?.child.pid).not.toBe(first?.child.pid);
  const third = spares.take();
  expect(spares.take()).toBeUndefined();
  for (const each of [second, third]) each?.child.kill('SIGKILL');

  const again = createSpares({ entry, output: 2 }, 2);
  const dead = again.take();
  again.end();
  expect(again.take()).toBeUndefined();
  dead?.child.kill('SIGKILL');
});
