import { expect, test } from 'vitest';
import { headersOutward, toldToClients, toldToProxies } from './headers.ts';

test('clients see no header of ours; a proxy of ours in front is told whose fault a failure is, and nothing else', () => {
  const reply = {
    'content-type': 'application/problem+json',
    'retry-after': '1',
    'content-length': '12',
    'holdfast-fault': 'elsewhere',
    'holdfast-hlc': '1',
  };
  const seen = { 'content-type': 'application/problem+json', 'retry-after': '1' };
  expect(headersOutward(reply, toldToClients)).toEqual(seen);
  expect(headersOutward(reply, toldToProxies)).toEqual({ ...seen, 'holdfast-fault': 'elsewhere' });
});
