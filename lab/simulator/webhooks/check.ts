import { createHmac } from 'node:crypto';
import { webhookTypes } from '#contracts/webhooks';
import type { Check } from '../check.ts';
import type { Facts } from '../fact-rows.ts';
import type { EndpointStory } from './endpoint-errand.ts';
import type { Delivered } from './merchants.ts';

/** Waits between attempts in a run, which lasts minutes and not days; after the last one a message is given up. */
export const retryDelaysMs: readonly number[] = [200, 500, 1_000, 2_000];
/** Leases that may end before what was posted under them is recorded: they are a minute long, and a run lasts four. */
const leasesLostMax = 5;

/** Clocks of processes are off by at most this where nobody sets them, logical ones by what they accept of others. */
const wrongMsMax = 1_000;

/** An event of the log as an endpoint is told of it. */
export interface ToldEvent {
  readonly type: string;
  readonly time: string;
  readonly data: unknown;
}

/**
 * A merchant that keeps the ids that it has seen knows of every event it wants, once: each came at least once, under one id and
 * no other, to the letter the same each time, and signed by a secret that is its own.
 */
export const eventsReachEndpoints: Check = {
  name: 'every event reaches each endpoint that wants it, signed, under one id',
  size: ({ errands, delivered }) => (errands.endpoints.length > 0 ? delivered.length : 0),
  *find(facts) {
    for (const story of facts.errands.endpoints) {
      const mine = facts.delivered.filter(({ url }) => url === story.url);
      yield* messagesAreSigned(story, mine);
      yield* eventsAreTold(story, mine, facts);
    }
    for (const eventId of facts.notPosted) yield `webhooks gave up ${eventId}`;
  },
};

function* messagesAreSigned({ url, secrets, tests }: EndpointStory, mine: readonly Delivered[]): Iterable<string> {
  const bodies = new Map<string, string>();
  for (const message of mine) {
    const { id, body } = message;
    const other = bodies.get(id);
    if (other !== undefined && other !== body) yield `${url}: ${id} said one thing and then another`;
    bodies.set(id, body);
    // The one before signs on beside a new one; so the first that there was signs everything.
    if (!isSigned(message, secrets[0] ?? '')) yield `${url}: ${id} is not signed by its secret`;
  }
  for (const { messageId, secret } of tests) {
    const came = mine.filter(({ id }) => id === messageId);
    if (came.length === 0) yield `${url}: test ${messageId} never came`;
    if (!came.every((message) => isSigned(message, secret)))
      yield `${url}: ${messageId} is not signed by the new secret`;
  }
}

/** As Standard Webhooks 1.0 has it, in words of our own: the service is not asked whether it signs well. */
function isSigned({ id, timestampSec, body, signature }: Delivered, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const mac = createHmac('sha256', key).update(`${id}.${timestampSec}.${body}`).digest('base64');
  return signature.split(' ').includes(`v1,${mac}`);
}

function* eventsAreTold(
  { url, types, askedAtMs, madeAtMs }: EndpointStory,
  mine: readonly Delivered[],
  { told, clockStepMsMax }: Facts,
): Iterable<string> {
  const wanted = types.length > 0 ? types : webhookTypes;
  const slackMs = wrongMsMax + clockStepMsMax;
  const events = Map.groupBy(
    told.filter(({ type, time }) => wanted.includes(type) && Date.parse(time) >= askedAtMs - slackMs),
    ({ type, time, data }) => canonical({ type, timestamp: time, data }),
  );
  const ids = new Map<string, Set<string>>();
  for (const { id, body } of mine) {
    const content = JSON.parse(body) as { readonly type: string };
    if (content.type === 'webhook.test') continue;
    const name = canonical(content);
    ids.set(name, (ids.get(name) ?? new Set()).add(id));
    if (!events.has(name)) yield `${url}: ${id} tells of a ${content.type} that it should not hear of`;
  }
  for (const [name, same] of events) {
    const found = ids.get(name)?.size ?? 0;
    const isDue = same.every(({ time }) => Date.parse(time) > madeAtMs + slackMs);
    const { type, time } = same[0] as ToldEvent;
    if (isDue && found < same.length) yield `${url}: nobody told it of ${type} at ${time}`;
    if (found > same.length) yield `${url}: ${type} at ${time} came under ${found} ids`;
  }
}

/** The same text for the same value: a database may keep the fields of an object in another order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

/** Nothing is tried for ever, nothing is forgotten: what was given up has been asked for again, and arrived. */
export const deliveriesEnd: Check = {
  name: 'each delivery ends, within its attempts, and what was given up can be replayed',
  size: ({ deliveries }) => deliveries.length,
  *find({ deliveries }) {
    const attemptsMax = retryDelaysMs.length + 1 + leasesLostMax;
    const replays = Map.groupBy(deliveries, ({ replayOf }) => replayOf);
    for (const { id, status, attempts } of deliveries) {
      if (status === 'pending') yield `${id} is pending for ever`;
      if (attempts > attemptsMax) yield `${id} was tried ${attempts} times`;
      if (status === 'failed' && !replays.has(id)) yield `${id} was given up, and nobody could ask for it again`;
    }
  },
};
