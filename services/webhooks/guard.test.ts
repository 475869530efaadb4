import { expect, test } from 'vitest';
import { guardedLookup, isPublicAddress, PrivateAddress, urlMistake } from './guard.ts';
import { createPoster } from './post.ts';

test.each([
  ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'],
  [
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    'ff02::1',
  ],
])('addresses of private networks, machines and clouds are not public: %s', (...addresses) => {
  expect(addresses.filter(isPublicAddress)).toEqual([]);
});

test('addresses of the internet are public', () => {
  expect(['1.1.1.1', '93.184.215.14', '2606:4700::1111', '172.32.0.1'].every(isPublicAddress)).toBe(true);
});

test('an address that is wrong is told why before anything is looked up', () => {
  expect(urlMistake('https://shop.example/hook', false)).toBeUndefined();
  expect(urlMistake('http://shop.example/hook', false)).toBe('is not https');
  const hosts = [
    '127.0.0.1',
    '127.0.0.1.',
    '127.1',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '0xa9.254.43518',
    '0',
    '１２７.1',
  ];
  const names = ['localhost', 'localhost.', 'LOCALHOST..', 'db.localhost', 'db.localhost.', 'loc%61lhost'];
  const v6 = [
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[0:0:0:0:0:ffff:10.0.0.1]',
    '[::127.0.0.1]',
  ];
  for (const host of [...hosts, ...names, ...v6, '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fe80::1]']) {
    expect(urlMistake(`https://${host}/`, false) ?? 'nothing', host).toMatch(/is a private address|is no URL/);
  }
  expect(urlMistake('https://user:word@shop.example', false)).toContain('password');
  expect(urlMistake('http://127.0.0.1:9/', true)).toBeUndefined();
});

test('nothing is posted to a private address that was taken before, as a number or as a name', async () => {
  const poster = createPoster({});
  const post = (url: string) => poster.post(url, {}, '', new AbortController().signal);
  expect(await post('https://127.0.0.1:9/')).toEqual({ error: 'the address is a private address' });
  expect(await post('https://[::ffff:10.0.0.1]/')).toEqual({ error: 'the address is a private address' });
  expect(await post('http://shop.example/')).toEqual({ error: 'the address is not https' });
  await poster.close();
});

test('a name that leads to a private address is refused when it is connected to', async () => {
  const error = await new Promise((resolve) => guardedLookup('localhost', { all: true }, resolve));
  expect(error).toBeInstanceOf(PrivateAddress);
});
