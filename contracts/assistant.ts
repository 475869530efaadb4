import Type, { type Static } from 'typebox';
import { defineService, problemTable } from '#kit/contract';
import { deadLetterOperations, lagOperation, noDeadLetter } from '#kit/messaging/operations';
import { Currency, closed, Timestamp } from './common.ts';

/** How much the assistant knows, and how old that is. A stale name is fine, silence is not. */
export const Knowledge = closed({
  products: Type.Integer({ description: 'That it knows of' }),
  state: Type.Union([
    Type.Literal('current', { description: 'It has read all that the catalogue has told' }),
    Type.Literal('behind', { description: 'The catalogue has told more than it has read' }),
    Type.Literal('cut-off', { description: 'It can not hear the catalogue' }),
    Type.Literal('empty', { description: 'It has not heard of any product yet' }),
  ]),
  asOf: Type.Optional(Timestamp),
  ageMs: Type.Optional(
    Type.Integer({ minimum: 0, description: 'Since it last knew everything. Absent: it never did' }),
  ),
  text: Type.String({ description: 'The same in words, for people' }),
});
export type Knowledge = Static<typeof Knowledge>;

const MentionedProduct = closed({
  productId: Type.String(),
  slug: Type.String(),
  name: Type.String(),
  price: Type.Optional(closed({ currency: Currency, fromMinor: Type.Integer(), toMinor: Type.Integer() })),
});
export type MentionedProduct = Static<typeof MentionedProduct>;

export const Answer = closed({
  text: Type.String(),
  products: Type.Array(MentionedProduct, { description: 'What the answer is about, best first' }),
  answeredBy: Type.Union([
    Type.Literal('catalogue', { description: 'Put together from what it knows' }),
    Type.Literal('model', { description: 'Put into words by a language model, from the same' }),
  ]),
  knowledge: Knowledge,
});
export type Answer = Static<typeof Answer>;

export const assistantProblems = problemTable('assistant', { 'no-dead-letter': noDeadLetter });

/** Answers from its own copy of the catalogue. It asks no other service, so it goes on when they are away. */
export const assistant = defineService({
  service: 'assistant',
  problems: assistantProblems,
  operations: {
    ask: {
      method: 'POST',
      path: '/assistant/questions',
      summary: 'Answers a question about products, and says how old its knowledge is.',
      access: ['anonymous'],
      consistency: 'eventual',
      body: closed({
        question: Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' }),
        currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$', description: 'Of prices. Default EUR' })),
      }),
      responses: { 200: Answer },
      deadlineMs: 15_000,
    },
    knowledge: {
      method: 'GET',
      path: '/assistant/knowledge',
      summary: 'How much it knows, and how old that is.',
      access: ['anonymous'],
      responses: { 200: Knowledge },
    },
    ...deadLetterOperations('assistant'),
    ...lagOperation('assistant'),
  },
});
