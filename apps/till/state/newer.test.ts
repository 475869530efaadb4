import { expect, test } from 'vitest';
import { whenNewer } from './newer.ts';

/** A registration as a browser moves it along. */
class Fake extends EventTarget {
  installing: EventTarget | null = null;
  waiting: EventTarget | null = null;

  find(): EventTarget {
    this.installing = new EventTarget();
    this.dispatchEvent(new Event('updatefound'));
    return this.installing;
  }
  install(): void {
    const worker = this.installing as EventTarget;
    [this.waiting, this.installing] = [worker, null];
    worker.dispatchEvent(new Event('statechange'));
  }
}

function watched(registration: Fake): EventTarget[] {
  const told: EventTarget[] = [];
  whenNewer(registration, (worker) => told.push(worker));
  return told;
}

test.each([
  ['already waits', (one: Fake) => one.install(), () => {}],
  ['is on its way before anybody listens', () => {}, (one: Fake) => one.install()],
])('a newer build that %s is told of', (_, before, after) => {
  const registration = new Fake();
  const worker = registration.find();
  before(registration);
  const told = watched(registration);
  after(registration);
  expect(told).toEqual([worker]);
});

test('one that is found later is told of, too; while it is on its way nothing is', () => {
  const registration = new Fake();
  const told = watched(registration);
  const worker = registration.find();
  expect(told).toEqual([]);
  registration.install();
  expect(told).toEqual([worker]);
});
