import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { openSecrets } from './secrets.ts';

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hf-secrets-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'secrets.json');
}

const { random } = createVirtualWorld({ seed: 1 });

test('a secret is made once, and found again by whoever opens the file', () => {
  const path = newPath();
  expect(openSecrets(path, random).get('a')).toBeUndefined();
  const secret = openSecrets(path, random).ensure('a');
  expect(openSecrets(path, random).ensure('a')).toBe(secret);
  expect(openSecrets(path, random).ensure('b')).not.toBe(secret);
});

test.each(['', '{"a":', '[]', 'null', '{"a":1}'])(
  'a file that holds %j is named as damaged, and left as it is',
  (text) => {
    const path = newPath();
    writeFileSync(path, text);
    const secrets = openSecrets(path, random);
    for (const use of [() => secrets.get('a'), () => secrets.ensure('a')]) {
      expect(use).toThrow(expect.objectContaining({ code: 'secrets-damaged', message: expect.stringContaining(path) }));
    }
    expect(readFileSync(path, 'utf8')).toBe(text);
  },
);
