import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, expect, test, vi } from 'vitest';
import { headerNames } from '#kit/contract';
import { createVirtualWorld, type Request } from '#kit/runtime';
import { formatName, parseName } from './identity/name.ts';
import { createAuthority, createIdentity, onlyAllowed } from './index.ts';
import { createTestMesh, type Node, scales, scalesServer, testWorld } from './testing/index.ts';

const { clock, random } = testWorld;
const till = { region: 'local', cell: 'main', process: 'till-1', services: ['till'] };

let mesh = createTestMesh();
afterEach(async () => {
  await mesh.stop();
  mesh = createTestMesh();
});

const request = (operation = 'weigh', headers: Record<string, string> = {}): Request => ({
  ...{ service: 'scales', operation, params: { id: '1' }, query: {} },
  headers: { [headerNames.caller]: 'service:till', ...headers },
});
const call = (node: Node, ...args: Parameters<typeof request>) =>
  node.client.send(request(...args), AbortSignal.timeout(5_000));

async function openScales(options = {}) {
  const scales = await mesh.add({
    ...{ process: 'scales-1', services: ['scales'], server: scalesServer('scales-1') },
    ...options,
  });
  await scales.open();
  return scales;
}

async function caller(options = {}) {
  return mesh.add({ process: 'till-1', services: ['till'], ...options });
}

test('a name survives being written and read, and nothing else is one', () => {
  const name = { ...till, services: ['till', 'scales'] };
  expect(parseName(formatName(name))).toEqual(name);
  for (const other of ['spiffe://other/process/a', 'spiffe://holdfast/region/a/cell/b/process/c/runs/', 'https://a']) {
    expect(parseName(other)).toBeUndefined();
  }
  expect(() => formatName({ ...till, process: 'a/runs/gateway' })).toThrow(/can't be part of the name/);
});

test('what the authority signs is a certificate that OpenSSL verifies', async () => {
  const authority = createAuthority({ clock, random });
  const identity = await createIdentity({ ...testWorld, name: till, sign: async (key) => authority.issue(key, till) });
  identity.stop();
  const { certificate, serial } = identity.current;
  const parsed = new X509Certificate(certificate);
  expect(parsed.subjectAltName).toBe(`URI:${formatName(till)}`);
  expect(parsed.serialNumber).toBe(serial);
  expect(parsed.verify(new X509Certificate(authority.trust).publicKey)).toBe(true);
  expect(parsed.checkIssued(new X509Certificate(authority.trust))).toBe(true);
  const lifetimeMs = Date.parse(parsed.validTo) - clock.now();
  expect(lifetimeMs).toBeGreaterThan(3_590_000);
  expect(lifetimeMs).toBeLessThanOrEqual(3_600_000);
  const folder = mkdtempSync(join(tmpdir(), 'hf-ca-'));
  writeFileSync(join(folder, 'ca.pem'), authority.trust);
  writeFileSync(join(folder, 'a.pem'), certificate);
  const verify = ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'ca.pem', 'a.pem'];
  expect(String(execFileSync('openssl', verify, { cwd: folder }))).toContain('OK');
});

test('the authority keeps its key for its owner only, and takes none that others could read', () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'hf-ca-')), 'mesh');
  const first = createAuthority({ clock, random, folder });
  expect(createAuthority({ clock, random, folder }).trust).toBe(first.trust);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  const files = readdirSync(folder);
  for (const file of files) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
  const [file] = files
    .map((name) => join(folder, name))
    .filter((path) => readFileSync(path, 'utf8').includes('PRIVATE'));
  chmodSync(file as string, 0o644);
  expect(() => createAuthority({ clock, random, folder })).toThrow(/can be read by others/);
});

test('a certificate is renewed at about half of its life, and again after the authority was away', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const authority = createAuthority({ clock: world.clock, random: world.random, lifetimeMs: 100_000 });
  let isAway = false;
  let signed = 0;
  const sign = async (key: string) => {
    if (isAway) throw new Error('away');
    signed += 1;
    return authority.issue(key, till);
  };
  const identity = await createIdentity({ ...world, name: till, sign });
  const first = identity.current.serial;
  isAway = true;
  await world.advance(60_000);
  expect(identity.current.serial).toBe(first);
  isAway = false;
  await world.advance(10_000);
  await expect.poll(() => signed).toBe(2);
  expect(identity.current.serial).not.toBe(first);
  identity.stop();
});

test('a caller that the contract lists is served', async () => {
  await openScales();
  expect(await call(await caller())).toMatchObject({ status: 200, body: { by: 'scales-1' } });
});

test('the connection is TLS 1.3, and nothing older is spoken', async () => {
  const { instance } = await openScales();
  const { identity } = await caller();
  const { key, certificate: cert, trust: ca } = identity.current;
  const open = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
    new Promise<string | null>((resolve, reject) => {
      const options = { port: instance.port, key, cert, ca, maxVersion, checkServerIdentity: () => undefined };
      const socket = connect(options, () => {
        resolve(socket.getProtocol());
        socket.destroy();
      });
      socket.on('error', reject);
    });
  expect(await open('TLSv1.3')).toBe('TLSv1.3');
  await expect(open('TLSv1.2')).rejects.toThrow(/protocol version/);
});

/** Asks by hand, as someone would who doesn't use our client. */
function ask(port: number, credentials: { key?: string; cert?: string; ca?: string }, path = '/weights/1') {
  return new Promise<string>((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...credentials });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  });
}

const shown = ({ identity }: Node) => ({ key: identity.current.key, cert: identity.current.certificate });

test('a process without an identity is refused, and told so', async () => {
  const { instance } = await openScales();
  const answer = await ask(instance.port, {});
  expect(answer).toMatch(/^HTTP\/1.1 401 /);
  expect(answer).toContain('mesh/no-identity');
  expect(await ask(instance.port, {}, '/health')).toContain('mesh/no-identity');
});

test('a process whose certificate has expired is refused, and told so', async () => {
  const yesterday = { ...clock, now: () => clock.now() - 86_400_000 };
  // The same key as the system's authority, but for the time.
  const folder = join(mkdtempSync(join(tmpdir(), 'hf-ca-')), 'mesh');
  const past = createAuthority({ clock: yesterday, random, folder });
  const present = createAuthority({ clock, random, folder });
  const scales = await openScales({ authority: present });
  const late = await caller({ authority: past });
  expect(await ask(scales.instance.port, shown(late))).toContain('mesh/identity-expired');
  await expect(call(late)).rejects.toMatchObject({ code: 'mesh/refused' });
});

test('a process of another authority is refused by both ends', async () => {
  const { instance } = await openScales();
  const stranger = await caller({ authority: createAuthority({ clock, random }) });
  expect(await ask(instance.port, shown(stranger))).toContain('mesh/identity-foreign');
  // Our own client does not even show its request to a server of another authority.
  await expect(call(stranger)).rejects.toMatchObject({
    code: 'mesh/refused',
    message: expect.stringContaining('scales-1: '),
  });
});

test('a revoked process is refused from then on, on open connections too', async () => {
  const scales = await openScales();
  const client = await caller();
  expect((await call(client)).status).toBe(200);
  const { serial } = client.identity.current;
  await mesh.registry.revoke(serial, 60_000);
  await expect.poll(() => [...scales.directory.revoked]).toContain(serial);
  await expect(call(client)).rejects.toThrow(/revoked/);
  expect(await ask(scales.instance.port, shown(client))).toContain('mesh/identity-revoked');
  await client.identity.renew();
  expect((await call(client)).status).toBe(200);
});

test('a caller leaves an instance whose certificate was revoked', async () => {
  const scales = await openScales();
  const client = await caller();
  await call(client);
  await mesh.registry.revoke(scales.identity.current.serial, 60_000);
  await expect.poll(() => client.directory.revoked.size).toBe(1);
  await expect(call(client)).rejects.toThrow(/revoked/);
});

test('whoever calls hears once of each instance that comes, by what it runs', async () => {
  const arrived: string[] = [];
  await openScales();
  const client = await caller({ client: { onArrival: (service: string) => void arrived.push(service) } });
  await expect.poll(() => arrived).toEqual(['scales']);
  await openScales({ process: 'scales-2' });
  await expect.poll(() => arrived).toEqual(['scales', 'scales']);
  await call(client);
  expect(arrived).toHaveLength(2);
});

test('a service that the contract does not list may not call', async () => {
  await openScales();
  const other = await mesh.add({ process: 'baker-1', services: ['baker'] });
  const asBaker = { [headerNames.caller]: 'service:baker' };
  await expect(call(other, 'weigh', asBaker)).rejects.toThrow(/may not call.*baker-1.*scales\.weigh/);
  await expect(call(other, 'open', asBaker)).rejects.toThrow(/may not call/);
});

test('the public door may call what is open to people, and nothing else', async () => {
  await openScales();
  const door = await mesh.add({ process: 'door', services: ['door'] });
  const asPerson = { [headerNames.caller]: 'customer:usr_1' };
  expect((await call(door, 'open', asPerson)).status).toBe(200);
  await expect(call(door, 'weigh', asPerson)).rejects.toThrow(/may not call/);
});

test('a service may not speak in the name of another', async () => {
  await openScales();
  const asBaker = { [headerNames.caller]: 'service:baker' };
  await expect(call(await caller(), 'weigh', asBaker)).rejects.toThrow(/in the name of baker/);
});

test('an instance that is not who the registry says is not called', async () => {
  const scales = await openScales();
  await scales.directory.leave();
  const impostor = { ...scales.instance, process: 'scales-9', startId: 'start_other' };
  await mesh.registry.join(impostor, 60_000);
  await expect(call(await caller())).rejects.toThrow(/scales-1 answers for scales-9/);
});

test('pages of a process are for the public door', async () => {
  await openScales();
  const door = await mesh.add({ process: 'door', services: ['door'] });
  expect(await door.client.readAll('/pages/7', 5_000)).toEqual([{ id: '7', by: 'scales-1' }]);
  expect(await (await caller()).client.readAll('/pages/7', 5_000)).toEqual([]);
});

test('certificates of both ends are renewed under load without one failed call', async () => {
  const scales = await openScales();
  const client = await caller();
  let isOver = false;
  let calls = 0;
  const load = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      expect((await call(client)).status).toBe(200);
      calls += 1;
    }
  });
  const serials = new Set<string>();
  for (let i = 0; i < 5; i++) {
    const before = calls;
    await client.identity.renew();
    await scales.identity.renew();
    serials.add(client.identity.current.serial).add(scales.identity.current.serial);
    await vi.waitFor(() => expect(calls).toBeGreaterThan(before + 20), { timeout: 60_000 });
  }
  isOver = true;
  await Promise.all(load);
  expect(serials.size).toBe(10);
});

test('in one process, too, a service may call only what lists it', async () => {
  const server = scalesServer('scales-1');
  const as = (service: string) => onlyAllowed(service, [scales], { send: (...sent) => server.handle(...sent) });
  const { signal } = new AbortController();
  expect((await as('till').send(request(), signal)).status).toBe(200);
  const asBaker = { [headerNames.caller]: 'service:baker' };
  await expect(as('baker').send(request('weigh', asBaker), signal)).rejects.toThrow(
    /baker \(baker\) called scales.weigh/,
  );
});
