import { expect, test } from 'vitest';
import { exitCodes, Failure } from '../../cli/failure.ts';
import { benchNames, readOptions } from './options.ts';

const defaults = { outDir: 'results', profileDir: undefined };

test('a benchmark by name runs with defaults', () => {
  expect(readOptions(['saga'], defaults)).toMatchObject({
    names: ['saga'],
    json: false,
    check: false,
    clients: undefined,
    rounds: 3,
    measureMs: 3_000,
    outDir: 'results',
  });
});

test('all names every benchmark, and options are taken', () => {
  const options = readOptions(['all', '--clients', '32,1,32', '--rounds', '5', '--seconds', '0.5', '--json'], defaults);
  expect(options).toMatchObject({ names: benchNames, clients: [1, 32], rounds: 5, measureMs: 500, json: true });
});

test.each([
  [[], 'No benchmark is named'],
  [['checkuot'], 'There is no benchmark "checkuot"'],
  [['saga', 'search'], 'One benchmark at a time'],
  [['saga', '--clients', '1,x'], '--clients 1,x is not a list of whole numbers'],
  [['saga', '--clients', '0'], '--clients 0 is not'],
  [['saga', '--rounds', '1.5'], '--rounds 1.5 is not a whole number from 1 to 99'],
  [['checkout', '--lines', '0'], '--lines 0 is not a whole number from 1 to 100'],
  [['saga', '--seconds', ''], '--seconds  is not a number'],
  [['saga', '--fast'], "Unknown option '--fast'"],
])('%j is refused as misuse in one sentence', (args, sentence) => {
  const refused = (() => {
    try {
      return readOptions(args, defaults);
    } catch (error) {
      return error;
    }
  })() as Failure;
  expect(refused).toBeInstanceOf(Failure);
  expect(refused.message).toContain(sentence);
  expect(refused.message).not.toContain('\n');
  expect(refused.exitCode).toBe(exitCodes.usage);
});

test('help is not misuse', () => {
  expect(readOptions(['--help'], defaults)).toBe('help');
});
