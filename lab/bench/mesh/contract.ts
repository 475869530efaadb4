import Type from 'typebox';
import { defineService } from '#kit/contract';

const Line = Type.Object({ sku: Type.String(), quantity: Type.Integer(), unitPriceMinor: Type.Integer() });
const Order = Type.Object({ id: Type.String(), email: Type.String(), lines: Type.Array(Line) });
const Done = Type.Object({ ok: Type.Boolean() });
const responses = { 200: Done };
const internal = { access: ['service'] } as const;

/** Answers what it is sent: an order of ten lines, some 800 bytes. */
export const echo = defineService({
  service: 'echo',
  operations: {
    order: {
      ...{ method: 'POST', path: '/echo', summary: 'The same order', ...internal, callers: ['caller'], body: Order },
      responses: { 200: Order },
    },
  },
});

/** B of the failing chain: `near` it does by itself, for `far` it asks C. */
export const middle = defineService({
  service: 'middle',
  operations: {
    near: { method: 'GET', path: '/near', summary: 'By itself', ...internal, callers: ['caller'], responses },
    far: { method: 'GET', path: '/far', summary: 'Through C', ...internal, callers: ['caller'], responses },
  },
});

/** C: slow on demand. */
export const end = defineService({
  service: 'end',
  operations: { work: { method: 'GET', path: '/work', summary: 'Works', ...internal, callers: ['middle'], responses } },
});

export const benchContracts = [echo, middle, end];

export const order = {
  id: 'ord_01HZXW8Q6Y3V5M7N9P0R2S4T6V',
  email: 'ada@example.com',
  lines: Array.from({ length: 10 }, (_, i) => ({
    sku: `MUG-BLUE-${i}`,
    quantity: 1 + (i % 3),
    unitPriceMinor: 1250 + i,
  })),
};
