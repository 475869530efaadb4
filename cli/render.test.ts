import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const render = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), 'render', ...args], { encoding: 'utf8' });

test('the configuration of another program goes to standard output, made from the topology and the contracts', () => {
  const { stdout, status } = render('nginx', '--listen', '0.0.0.0:443', '--tls-cert', '/c.pem', '--tls-key', '/k.pem');
  expect(status).toBe(0);
  expect(stdout).toContain('listen 0.0.0.0:443 ssl http2');
  expect(stdout).toContain('server 127.0.0.1:4080 max_fails=3');
  expect(stdout).toContain('/products/import$');
});

test('what can not be is said in one sentence, with what to give', () => {
  expect(render('apache')).toMatchObject({ status: 2, stderr: expect.stringContaining('nginx, haproxy, envoy') });
  expect(render('nginx', '--gateway', 'x')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('is no address'),
  });
  const two = render('haproxy', '--gateway', 'a:1', '--gateway', 'b:2');
  expect(two).toMatchObject({ status: 2, stderr: expect.stringContaining('runs 1 gateways') });
  expect(render('haproxy', '--tls-cert', 'a')).toMatchObject({ status: 2, stderr: expect.stringContaining('both') });
});
