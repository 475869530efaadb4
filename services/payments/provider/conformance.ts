import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { VirtualWorld } from '#kit/runtime';
import type { Fault } from '../sandbox/faults.ts';
import type { Movement } from '../sandbox/ledger-types.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { ProviderError } from './errors.ts';
import type { ProviderEvent } from './events.ts';
import type { AuthorizeRequest, PaymentProvider } from './port.ts';

export interface ConformanceSubject {
  readonly provider: PaymentProvider;
  /** The books behind the provider: the witness. */
  readonly sandbox: Sandbox;
  /** Time of both the provider's adapter and the sandbox. */
  readonly world: VirtualWorld;
  /** Webhook deliveries received so far, oldest first. */
  readonly deliveries: readonly { readonly body: string; readonly signature: string }[];
  close(): Promise<void>;
}

/** What every adapter must do, whatever lies between it and the sandbox. */
export function providerConformance(name: string, open: () => Promise<ConformanceSubject>): void {
  describe(name, () => {
    let subject: ConformanceSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const authorize = (overrides: Partial<AuthorizeRequest> = {}) =>
      subject.provider.authorize({
        key: 'ord_1/authorize',
        orderId: 'ord_1',
        amountMinor: 1_000,
        currency: 'GBP',
        paymentMethod: 'pm_card_visa',
        ...overrides,
      });
    const authorized = async (overrides: Partial<AuthorizeRequest> = {}) => {
      const result = await authorize(overrides);
      if (result.kind !== 'authorized') throw new Error(`declined: ${result.declineCode}`);
      return result.providerRef;
    };
    const captured = async () => {
      const providerRef = await authorized();
      await subject.provider.capture({ key: 'ord_1/capture', providerRef });
      return providerRef;
    };
    const fail = (...faults: Fault[]) => subject.sandbox.faults.set(faults);
    const moved = () => subject.sandbox.ledger.entries().map(({ kind, amountMinor }) => [kind, amountMinor]);
    const movedOf = (kind: Movement['kind']) => moved().filter(([moved]) => moved === kind);

    test('authorize sets money aside, capture takes it, find tells both', async () => {
      const { provider } = subject;
      expect(await authorize()).toEqual({
        kind: 'authorized',
        providerRef: expect.stringMatching(/^pi_/),
        amountMinor: 1_000,
        currency: 'GBP',
      });
      const before = await provider.find({ orderId: 'ord_1' });
      expect(before).toMatchObject({ status: 'authorized', amountMinor: 1_000, capturedMinor: 0, currency: 'GBP' });
      const providerRef = before?.providerRef as string;
      expect(await provider.capture({ key: 'ord_1/capture', providerRef })).toEqual({
        kind: 'captured',
        providerRef,
        capturedMinor: 1_000,
        currency: 'GBP',
      });
      expect(await provider.find({ providerRef })).toEqual({
        providerRef,
        orderId: 'ord_1',
        key: 'ord_1/authorize',
        status: 'captured',
        amountMinor: 1_000,
        capturedMinor: 1_000,
        refundedMinor: 0,
        currency: 'GBP',
        refunds: [],
        decline: undefined,
        duplicates: [],
      });
      expect(moved()).toEqual([
        ['authorized', 1_000],
        ['captured', 1_000],
      ]);
    });

    test.each([
      ['pm_card_chargeDeclined', 'card_declined', 'generic_decline', 'ask-bank'],
      ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds', 'other-card'],
      ['pm_card_visa_chargeDeclinedStolenCard', 'card_declined', 'stolen_card', 'ask-bank'],
      ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card', 'other-card'],
      ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc', 'correct-details'],
      ['pm_card_chargeDeclinedProcessingError', 'processing_error', 'processing_error', 'try-again'],
      ['pm_card_authenticationRequired', 'authentication_required', 'authentication_required', 'authenticate'],
    ])(
      '%s is declined, with words for the shopper and no money moved',
      async (paymentMethod, code, declineCode, advice) => {
        const result = await authorize({ paymentMethod });
        expect(result).toMatchObject({ kind: 'declined', code, declineCode, advice });
        expect(result).toMatchObject({
          providerRef: expect.stringMatching(/^pi_/),
          message: expect.stringMatching(/\.$/),
        });
        expect(moved()).toEqual([]);
        expect(await subject.provider.find({ orderId: 'ord_1' })).toMatchObject({
          status: 'declined',
          decline: { code, declineCode },
        });
      },
    );

    test('the same key gives the same answer, also for a decline', async () => {
      const first = await authorize();
      expect(await authorize()).toEqual(first);
      const refused = { key: 'k2', orderId: 'ord_2', paymentMethod: 'pm_card_chargeDeclined' };
      expect(await authorize(refused)).toEqual(await authorize(refused));
      expect(subject.sandbox.ledger.intentCount).toBe(2);
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('a key used again for something else is refused', async () => {
      await authorize();
      await expectError(authorize({ amountMinor: 2_000 }), { code: 'key_reused', outcome: 'refused', retry: 'never' });
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('charged but the reply lost: unknown, and the repeat finds the one charge', async () => {
      fail({ do: 'drop-reply', on: 'create', next: 1 });
      await expectError(authorize(), { outcome: 'unknown', code: 'connection_lost', retry: 'same-key' });
      const result = await authorize();
      expect(result.kind).toBe('authorized');
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('a request lost on its way is unknown too, and the repeat charges once', async () => {
      fail({ do: 'drop-request', on: 'create', next: 1 });
      await expectError(authorize(), { outcome: 'unknown' });
      expect(await subject.provider.find({ orderId: 'ord_1' })).toBeUndefined();
      await authorize();
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('find knows the payment at once after a lost reply, even while search lags behind', async () => {
      fail({ do: 'drop-reply', on: 'create', next: 1 }, { do: 'search-lag', ms: 60_000 });
      await expectError(authorize(), { outcome: 'unknown' });
      for (const by of [{ orderId: 'ord_1' }, { key: 'ord_1/authorize' }]) {
        expect(await subject.provider.find(by)).toMatchObject({ status: 'authorized', amountMinor: 1_000 });
      }
      expect(await subject.provider.find({ orderId: 'ord_2' })).toBeUndefined();
      expect(await subject.provider.find({ providerRef: 'pi_nobody' })).toBeUndefined();
    });

    test('an answer that comes after the time-out counts as lost, and the late charge is the only one', async () => {
      fail({ do: 'stall', ms: 20_000, at: 'before', on: 'create', next: 1 });
      const pending = expectError(authorize(), { outcome: 'unknown', code: 'timeout', category: 'timeout' });
      await until(() => subject.sandbox.faults.current().length === 0);
      await subject.world.advance(5_000);
      await pending;
      expect(moved()).toEqual([]);
      await expectError(authorize(), { outcome: 'unknown', code: 'key_in_use', retry: { afterMs: 500 } });
      await subject.world.advance(20_000);
      await until(() => moved().length === 1);
      expect(await untilAnswered(() => authorize())).toMatchObject({ kind: 'authorized' });
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('5xx before the effect: unknown, and the repeat goes through', async () => {
      fail({ do: 'error', status: 503, at: 'before', on: 'create', next: 1 });
      await expectError(authorize(), { outcome: 'unknown', code: 'provider_failed', status: 503, retry: 'same-key' });
      expect(await authorize()).toMatchObject({ kind: 'authorized' });
    });

    test('5xx after the effect: the repeat gets the stored 5xx, and only find tells', async () => {
      fail({ do: 'error', status: 500, at: 'after', on: 'create', next: 1 });
      await expectError(authorize(), { outcome: 'unknown', code: 'provider_failed', retry: 'same-key' });
      await expectError(authorize(), { outcome: 'unknown', code: 'provider_failed', retry: 'never' });
      expect(await subject.provider.find({ orderId: 'ord_1' })).toMatchObject({ status: 'authorized' });
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('a deadline that has passed sends nothing; one that passes meanwhile leaves the outcome unknown', async () => {
      await expectError(authorize({ signal: AbortSignal.abort() }), { outcome: 'not-done', code: 'aborted' });
      expect(subject.sandbox.ledger.intentCount).toBe(0);
      fail({ do: 'stall', ms: 60_000, at: 'after', on: 'create', next: 1 });
      const deadline = new AbortController();
      const pending = expectError(authorize({ signal: deadline.signal }), { outcome: 'unknown', code: 'aborted' });
      await until(() => moved().length === 1);
      deadline.abort();
      await pending;
    });

    test('twenty at once with one key make one charge', async () => {
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => authorize()));
      const refs = results.map((result) =>
        result.status === 'fulfilled' ? result.value.providerRef : (result.reason as ProviderError).code,
      );
      expect(new Set(refs.filter((ref) => ref !== 'key_in_use')).size).toBe(1);
      expect(moved()).toEqual([['authorized', 1_000]]);
    });

    test('capturing twice takes the money once, with the same key or another', async () => {
      const providerRef = await captured();
      const again = { kind: 'captured', providerRef, capturedMinor: 1_000, currency: 'GBP' };
      expect(await subject.provider.capture({ key: 'ord_1/capture', providerRef })).toEqual(again);
      expect(await subject.provider.capture({ key: 'another', providerRef })).toEqual(again);
      await expectError(subject.provider.capture({ key: 'third', providerRef, amountMinor: 500 }), {
        code: 'already_captured',
        outcome: 'refused',
      });
      expect(movedOf('captured')).toEqual([['captured', 1_000]]);
    });

    test('a capture whose reply was lost is taken once', async () => {
      const providerRef = await authorized();
      fail({ do: 'drop-reply', on: 'capture', next: 1 });
      await expectError(subject.provider.capture({ key: 'c', providerRef }), { outcome: 'unknown' });
      await subject.provider.capture({ key: 'c', providerRef });
      expect(movedOf('captured')).toEqual([['captured', 1_000]]);
    });

    test('a smaller capture releases the rest, a larger one is refused', async () => {
      const providerRef = await authorized();
      await expectError(subject.provider.capture({ key: 'c1', providerRef, amountMinor: 1_001 }), {
        code: 'capture_exceeds_authorized',
        outcome: 'refused',
      });
      await subject.provider.capture({ key: 'c2', providerRef, amountMinor: 700 });
      expect(moved()).toEqual([
        ['authorized', 1_000],
        ['captured', 700],
        ['released', 300],
      ]);
    });

    test('void gives the authorization back once; a capture after it is refused', async () => {
      const providerRef = await authorized();
      expect(await subject.provider.void({ key: 'v', providerRef })).toEqual({ kind: 'voided', providerRef });
      await subject.provider.void({ key: 'v', providerRef });
      await subject.provider.void({ key: 'another', providerRef });
      await expectError(subject.provider.capture({ key: 'c', providerRef }), {
        code: 'already_voided',
        outcome: 'refused',
      });
      expect(movedOf('voided')).toEqual([['voided', 1_000]]);
      expect(await subject.provider.find({ providerRef })).toMatchObject({ status: 'voided', capturedMinor: 0 });
    });

    test('void after capture is refused', async () => {
      const providerRef = await captured();
      await expectError(subject.provider.void({ key: 'v', providerRef }), {
        code: 'already_captured',
        outcome: 'refused',
        category: 'conflict',
      });
      expect(movedOf('voided')).toEqual([]);
    });

    test('partial refunds never exceed what was captured', async () => {
      const providerRef = await captured();
      const refund = (key: string, amountMinor: number) => subject.provider.refund({ key, providerRef, amountMinor });
      expect(await refund('r1', 600)).toEqual({
        kind: 'refunded',
        providerRef,
        providerRefundRef: expect.stringMatching(/^re_/),
        amountMinor: 600,
        currency: 'GBP',
      });
      await expectError(refund('r2', 401), { code: 'refund_exceeds_captured', outcome: 'refused' });
      await refund('r3', 400);
      await expectError(refund('r4', 1), { code: 'refund_exceeds_captured', outcome: 'refused' });
      expect(movedOf('refunded')).toEqual([
        ['refunded', 600],
        ['refunded', 400],
      ]);
    });

    test('a refund whose reply was lost happens once, and find shows it under its key', async () => {
      const providerRef = await captured();
      fail({ do: 'drop-reply', on: 'refund', next: 1 });
      await expectError(subject.provider.refund({ key: 'r1', providerRef, amountMinor: 300 }), { outcome: 'unknown' });
      const known = await subject.provider.find({ orderId: 'ord_1' });
      expect(known).toMatchObject({
        status: 'captured',
        refundedMinor: 300,
        refunds: [{ key: 'r1', amountMinor: 300 }],
      });
      const repeated = await subject.provider.refund({ key: 'r1', providerRef, amountMinor: 300 });
      expect(repeated.providerRefundRef).toBe(known?.refunds[0]?.providerRefundRef);
      expect(movedOf('refunded')).toEqual([['refunded', 300]]);
    });

    test('a refund of money that was not taken is refused', async () => {
      const providerRef = await authorized();
      await expectError(subject.provider.refund({ key: 'r', providerRef, amountMinor: 1 }), {
        code: 'not_captured',
        outcome: 'refused',
      });
    });

    test('what does not exist is refused as not found; an impossible amount as invalid', async () => {
      await expectError(subject.provider.capture({ key: 'c', providerRef: 'pi_nobody' }), {
        code: 'not_found',
        status: 404,
      });
      await expectError(authorize({ paymentMethod: 'pm_nobody' }), { code: 'not_found', outcome: 'refused' });
      await expectError(authorize({ amountMinor: 0 }), {
        code: 'invalid_request',
        category: 'input',
        outcome: 'refused',
      });
      // Nothing was stored under the key, because nothing began.
      expect(await authorize()).toMatchObject({ kind: 'authorized' });
    });

    test('an order paid twice under two keys shows both payments', async () => {
      const first = await authorized();
      const second = await authorized({ key: 'ord_1/authorize/2' });
      expect(await subject.provider.find({ orderId: 'ord_1' })).toMatchObject({
        providerRef: first,
        duplicates: [second],
      });
    });

    test('after a decline, find tells of the payment that went through with another card', async () => {
      await authorize({ paymentMethod: 'pm_card_chargeDeclined' });
      const providerRef = await authorized({ key: 'ord_1/authorize/2' });
      expect(await subject.provider.find({ orderId: 'ord_1' })).toMatchObject({ providerRef, status: 'authorized' });
    });

    test('every movement is reported by a signed webhook', async () => {
      const providerRef = await captured();
      await subject.provider.refund({ key: 'r', providerRef, amountMinor: 250 });
      await subject.provider.void({
        key: 'v',
        providerRef: await authorized({ key: 'k2', orderId: 'ord_2' }),
      });
      await authorize({ key: 'k3', orderId: 'ord_3', paymentMethod: 'pm_card_chargeDeclined' });
      const events = await receive(6);
      expect(events.map(({ kind, orderId }) => `${orderId} ${kind}`).toSorted()).toEqual([
        'ord_1 authorized',
        'ord_1 captured',
        'ord_1 refunded',
        'ord_2 authorized',
        'ord_2 voided',
        'ord_3 declined',
      ]);
      expect(events.find(({ kind }) => kind === 'refunded')).toMatchObject({
        type: 'charge.refunded',
        providerRef,
        key: 'ord_1/authorize',
        capturedMinor: 1_000,
        refundedMinor: 250,
        currency: 'GBP',
      });
    });

    test('webhooks delivered twice carry the same id', async () => {
      fail({ do: 'webhook-twice' });
      await authorized();
      const [first, second] = await receive(2);
      expect(first).toEqual(second);
    });

    test('a late webhook comes late, one out of order after its successor', async () => {
      fail({ do: 'webhook-late', ms: 30_000, next: 1 });
      const providerRef = await authorized();
      fail();
      await subject.provider.capture({ key: 'c', providerRef });
      expect((await receive(1)).map(({ kind }) => kind)).toEqual(['captured']);
      await subject.world.advance(30_000);
      expect((await receive(2)).map(({ kind }) => kind)).toEqual(['captured', 'authorized']);
      fail({ do: 'webhook-out-of-order', next: 1 });
      const other = await authorized({ key: 'k2', orderId: 'ord_2' });
      await subject.provider.void({ key: 'v', providerRef: other });
      const kinds = (await receive(4)).slice(2).map(({ kind }) => kind);
      expect(kinds.toSorted()).toEqual(['authorized', 'voided']);
    });

    test('a webhook with another body, another signature or an old time stamp is refused', async () => {
      await authorized();
      await receive(1);
      const { body, signature } = subject.deliveries[0] as { body: string; signature: string };
      const verify = (rawBody: string, header: string) => () => subject.provider.verifyWebhook(rawBody, header);
      const refused = expect.objectContaining({ code: 'webhook_signature', category: 'auth' });
      expect(verify(body.replace('1000', '1'), signature)).toThrow(refused);
      expect(
        verify(
          body,
          signature.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
        ),
      ).toThrow(refused);
      expect(verify(body, '')).toThrow(refused);
      expect(verify(body, 't=abc,v1=00')).toThrow(refused);
      await subject.world.advance(301_000);
      expect(verify(body, signature)).toThrow(refused);
    });

    async function receive(count: number): Promise<ProviderEvent[]> {
      await until(() => subject.deliveries.length >= count);
      return subject.deliveries.map(({ body, signature }) => subject.provider.verifyWebhook(body, signature));
    }
  });
}

async function expectError(pending: Promise<unknown>, fields: Record<string, unknown>): Promise<void> {
  const error = await pending.then(
    (value) => value,
    (error) => error,
  );
  expect(error).toMatchObject({ name: 'ProviderError', ...fields });
}

/** Lets the event loop turn until `condition` holds: sockets need turns, not time. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never came true: ${condition}`);
}

/** Repeats a call while its key is still in use. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 1_000; attempt++) {
    try {
      return await call();
    } catch (error) {
      if ((error as ProviderError).code !== 'key_in_use') throw error;
    }
  }
  throw new Error('the key stayed in use');
}
