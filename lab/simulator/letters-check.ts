import type { Check } from './check.ts';
import type { Facts } from './fact-rows.ts';

const writtenAbout = new Set([
  'order.confirmed',
  'order.refused',
  'order.cancelled',
  'order.returned',
  'order.refunded',
  'order.fulfilled',
  'user.refresh-token-reused',
]);

/** Staff are told of their accounts by whoever made them staff. */
const isWelcomed = ({ type, role }: { readonly type: string; readonly role?: string | null }): boolean =>
  type === 'user.registered' && role === 'customer';

/**
 * One letter about each event that a customer should hear of, and all of them reach the mail server. The log is the
 * source: that it tells of every order is another check.
 */
export const lettersMatchEvents: Check = {
  name: 'each event makes one letter, and it is sent',
  size: (facts) => facts.letters.length,
  *find(facts) {
    if (!facts.followers.notifications) return;
    const told = [...facts.log, ...facts.accountEvents];
    const events = new Map(told.map((event) => [event.eventId, event]));
    const written = new Set<string>();
    const taken = new Set(facts.mails.map(({ messageId }) => messageId.split('@')[0]));
    for (const { id, eventId, template, status } of facts.letters) {
      const event = events.get(eventId);
      if (event?.type !== template) yield `${id} tells of ${template} ${eventId}, which the log does not have`;
      if (written.has(eventId)) yield `${eventId} was written about twice`;
      written.add(eventId);
      if (status !== 'sent') yield `${id} about ${eventId} is ${status}`;
      else if (!taken.has(id)) yield `${id} is noted as sent, and no mail server has it`;
    }
    for (const event of events.values()) {
      const { eventId, type } = event;
      const isDue = writtenAbout.has(type) || isWelcomed(event);
      if (isDue && !written.has(eventId)) yield `nobody was told of ${type} ${eventId}`;
    }
    yield* mailsAreKnown(facts);
    for (const eventId of facts.givenUp) yield `notifications gave up ${eventId}`;
  },
};

/** A mail may arrive twice, under the same id; no other mail may tell the same. */
function* mailsAreKnown({ mails, letters }: Facts): Iterable<string> {
  const known = new Set(letters.map(({ id }) => id));
  const ids = new Map<string, string>();
  for (const { messageId, recipient, subject } of mails) {
    const [letter = ''] = messageId.split('@');
    if (!known.has(letter)) yield `mail ${messageId} was sent and nobody wrote it`;
    // Subjects name the order and what became of it. Of returns and refunds there may be several.
    if (!/confirmed|cancelled|could not/.test(subject)) continue;
    const text = `${recipient}: ${subject}`;
    const other = ids.get(text);
    if (other !== undefined && other !== messageId) yield `"${text}" was sent as ${other} and as ${messageId}`;
    ids.set(text, messageId);
  }
}
