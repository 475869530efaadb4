import Type from 'typebox';
import { defineService } from '#kit/contract';
import { gatewayProblems } from './problems.ts';

const Retry = Type.Union([
  Type.Literal('never'),
  Type.Literal('same-key'),
  Type.Object({ afterMs: Type.Number() }, { additionalProperties: false }),
]);
const ProblemPage = Type.Object(
  {
    code: Type.String(),
    status: Type.Integer(),
    title: Type.String(),
    category: Type.String(),
    retry: Retry,
    hint: Type.String(),
  },
  { additionalProperties: false },
);
const closed = { additionalProperties: false };

/** What the gateway answers itself. */
export const gateway = defineService({
  service: 'gateway',
  problems: gatewayProblems,
  operations: {
    index: {
      method: 'GET',
      path: '/',
      summary: 'Where to find what',
      access: ['anonymous'],
      identity: 'ignored',
      responses: {
        200: Type.Object({ name: Type.String(), links: Type.Record(Type.String(), Type.String()) }, closed),
      },
    },
    livez: {
      method: 'GET',
      path: '/livez',
      summary: 'The process runs',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Object({ status: Type.Literal('alive') }, closed) },
    },
    readyz: {
      method: 'GET',
      path: '/readyz',
      summary: 'The process serves; else what keeps it, by component',
      access: ['anonymous'],
      identity: 'ignored',
      responses: {
        200: Type.Object({ status: Type.Literal('ready') }, closed),
        503: Type.Object(
          { status: Type.Literal('unready'), reasons: Type.Record(Type.String(), Type.String()) },
          closed,
        ),
      },
    },
    openapi: {
      method: 'GET',
      path: '/openapi.json',
      summary: 'This interface as OpenAPI 3.1',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Unknown() },
    },
    problems: {
      method: 'GET',
      path: '/problems',
      summary: 'All problems that an answer can name, with what to do about them',
      access: ['anonymous'],
      identity: 'ignored',
      responses: { 200: Type.Object({ items: Type.Array(ProblemPage) }, closed) },
    },
    problem: {
      method: 'GET',
      path: '/problems/{area}/{name}',
      summary: 'One problem: where the `type` of a problem document leads',
      access: ['anonymous'],
      identity: 'ignored',
      params: Type.Object({ area: Type.String(), name: Type.String() }, closed),
      responses: { 200: ProblemPage },
      problems: ['gateway/unknown-problem'],
    },
  },
});
