import { expect, test } from 'vitest';
import { ApiProblem } from '#api';
import { noAnswer } from '../api/problem.ts';
import { problemDetails, problemWords } from './problem-words.ts';

const away = new ApiProblem(503, {
  title: 'orders does not answer',
  hint: 'Send the same key again.',
  retry: 'same-key',
});
const refused = new ApiProblem(409, { title: 'It is ended already', hint: 'Look at it anew.', retry: 'never' });

test('what is away has a button and asks again by itself, so nobody is told to try again, by a hint for programs least of all', () => {
  expect(problemDetails(away)).toBe('orders does not answer.');
  expect(problemDetails(noAnswer(6_000))).toBe('No answer within 6 seconds.');
  expect(problemWords(away, true)).toBe('A part of the shop does not answer just now.');
  expect(problemWords(noAnswer(6_000))).toBe('A part of the shop does not answer just now. Try again in a moment.');
});

test('what was refused says what to do about it', () => {
  expect(problemDetails(refused)).toBe('It is ended already. Look at it anew.');
  expect(problemWords(refused)).toBe('It is ended already. Look at it anew.');
});
