import { expect, onTestFinished, test } from 'vitest';
import { findFreePort } from '#kit/store/embedded';
import { createDoors } from './doors.ts';

test('two that ask for a door at once get the same one, and one that could not be had is tried again', async () => {
  const doors = createDoors();
  onTestFinished(() => doors.close());
  const at = { host: '127.0.0.1', port: await findFreePort() };
  const [first, second] = await Promise.all([doors.open(at), doors.open(at)]);
  expect(second).toBe(first);
  expect(await doors.open(at)).toBe(first);
  const nowhere = { host: '192.0.2.1', port: at.port };
  for (let i = 0; i < 2; i++) await expect(doors.open(nowhere)).rejects.toThrow("can't be had: choose another one");
});
