import { expect, test } from 'vitest';
import { mailMistakes, resolveMail } from './mail.ts';

const from = 'The Shop <orders@shop.example>';
const mistakes = (url: string, sender = from, environment = {}) => mailMistakes({ url, from: sender }, environment);

test('a server without a password may stand in the file, one with a password in the environment', () => {
  expect(mistakes('smtp://localhost:2525')).toEqual([]);
  expect(mistakes('env:SMTP', 'orders@shop.example', { SMTP: 'smtps://me:secret@mail.example' })).toEqual([]);
  expect(resolveMail({ url: 'env:SMTP', from }, { SMTP: 'smtp://m:25' })).toEqual({ url: 'smtp://m:25', from });
});

test('all mistakes come at once, and no secret with them', () => {
  expect(mistakes('smtp://me:secret@mail.example', 'nobody')).toEqual([
    expect.stringMatching(/^mail.from holds no address/),
    expect.stringMatching(/^mail.url holds a password: put the URL in an environment variable/),
  ]);
  expect(mistakes('env:SMTP', 'a@b\r\nBcc: x@y')).toEqual([
    expect.stringMatching(/^mail.from/),
    expect.stringMatching(/^mail.url takes the mail server from SMTP, which is not set/),
  ]);
  const wrong = mistakes('env:SMTP', from, { SMTP: 'https://me:secret@mail.example' });
  expect(wrong).toEqual([expect.stringMatching(/^SMTP is no mail server/)]);
  expect(wrong.join()).not.toContain('secret');
});
