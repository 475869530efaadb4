// A poller in a virtual world: an hour passes in milliseconds, and the same seed gives the same hour.
import { type Component, createHost, createVirtualWorld, type World } from '#kit/runtime';

/** It takes its world as an option, so it can't tell this one from `systemWorld(log)`. */
function createPoller({ timers, random, ids, log }: World): Component & { readonly polls: () => number } {
  let polls = 0;
  let cancel = () => {};
  return {
    name: 'poller',
    polls: () => polls,
    async start() {
      cancel = timers.every(60_000, async () => {
        polls += 1;
        await timers.sleep(random.next() * 500);
        if (polls === 1) log.info('first poll', { id: ids.next('poll') });
      });
    },
    stop: async () => cancel(),
  };
}

async function anHour(seed: number) {
  const world = createVirtualWorld({ seed });
  const host = createHost({ log: world.log, timers: world.timers });
  const poller = createPoller(world);
  host.add(poller);
  await host.start();
  await world.advance(3_600_000);
  await host.stop();
  return { polls: poller.polls(), id: world.lines[0]?.fields['id'], left: world.pendingCount };
}

console.log(await anHour(1));
console.log(await anHour(1));
console.log(await anHour(2));
