/**
 * From a bare checkout and any Node ≥ 20 to our own code on Node 24. Plain JavaScript without dependencies, because
 * this is what runs when nothing is installed yet.
 *
 *     node cli/bootstrap.mjs <entry> [arguments…]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ownNode = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
const oldestNode = 20;
/** The major version that runs TypeScript as it is and that everything is tested on. */
const rightNode = 24;

/** Installs what is missing, then runs `entry` (relative to the checkout) on Node 24 in this process if it can. */
export async function run(entry, args) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < oldestNode) {
    fail(
      `Holdfast needs Node ${oldestNode} or newer and this is ${process.version}: install a newer one from nodejs.org.`,
    );
  }
  if (!isInstalled()) await installAlone();
  const path = resolve(root, entry);
  // Compiled code is kept: a process with all services loads in 0.6 s instead of 1.05 s. In the environment, so that
  // child processes do the same.
  process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules', '.cache', 'compile');
  const isTuned = tuneMemory(process.env);
  // Where Node can, it replaces this process, so that there is nothing in between to lose a signal.
  const canReplace = process.execve !== undefined && process.platform !== 'win32';
  if (major === rightNode && (isTuned || !canReplace)) {
    process.argv = [process.execPath, path, ...args];
    nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
    await import(pathToFileURL(path).href);
    return;
  }
  const node = major === rightNode ? process.execPath : ownNode;
  if (!existsSync(node)) {
    fail('Node 24 is not in node_modules: npm has been told to ignore scripts; run "npm ci --ignore-scripts=false".');
  }
  if (canReplace) process.execve(node, [node, path, ...args], process.env);
  spawnAndFollow(node, [path, ...args]);
}

/**
 * A nursery of this size keeps a process with all services below 350 MB: at 64 MB it takes 50 MB more, at 16 MB an order costs a
 * fifth more of the processor. Few pools of the C library cost nothing that can be measured, and give back what many keep. Both
 * are read when a process starts, so they stand in the environment, for children too; what the user has set wins. Tells whether
 * this process has been started with them. What can be set later is in memory.ts.
 */
function tuneMemory(environment) {
  environment.MALLOC_ARENA_MAX ??= '2';
  const options = environment.NODE_OPTIONS ?? '';
  if (options.includes('--max-semi-space-size')) return true;
  environment.NODE_OPTIONS = `--max-semi-space-size=32 ${options}`.trim();
  return false;
}

/** Everything package-lock.json asks for is in node_modules, in the version it asks for. */
function isInstalled() {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted)
    fail(`package-lock.json is missing or broken in ${root}: restore it with "git checkout package-lock.json".`);
  // npm writes its own list last, so an installation that was interrupted has none.
  if (!present || !existsSync(ownNode)) return false;
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' || optional || devOptional || present[path]?.version === version,
  );
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Two installations in one folder destroy each other's work (npm ci begins by emptying it), so the second waits for the
 * first. The file names the installer and its npm: npm goes on when whoever started it has been killed.
 */
async function installAlone() {
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12);
  const lock = join(tmpdir(), `holdfast-install-${hash}-${process.getuid?.() ?? 0}`);
  for (let told = false; !isInstalled(); ) {
    try {
      writeFileSync(lock, `${process.pid}`, { flag: 'wx' });
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`${lock} can't be written (${error.code}): free some space in ${tmpdir()}.`);
      const holders = readPids(lock);
      if (!holders.some(isAlive)) rmSync(lock, { force: true });
      else if (!told) say(`Another installation is under way here (pid ${holders.at(-1)}): waiting for it …`);
      told = true;
      await sleep(200);
      continue;
    }
    try {
      await install((npmPid) => writeFileSync(lock, `${process.pid} ${npmPid}`));
    } finally {
      rmSync(lock, { force: true });
    }
    return;
  }
}

function readPids(lock) {
  try {
    return readFileSync(lock, 'utf8').split(' ').map(Number);
  } catch {
    return [];
  }
}

function isAlive(pid) {
  try {
    return pid > 1 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** How long npm may take to stop by itself. */
const stopPatienceMs = 5_000;

async function install(onStart) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  say('Installing dependencies with npm ci (about a minute the first time) …');
  // npm draws its own progress on a terminal and is silent otherwise.
  const ticker = process.stderr.isTTY
    ? undefined
    : setInterval(() => say(`  … still installing, ${seconds()} s`), 5_000);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  let stopped = false;
  let killer;
  let npm;
  // Before npm begins: a signal just then would end this process alone.
  for (const signal of signals) {
    process.on(signal, () => {
      // It undoes what it has done, which can take minutes, for nothing: the next installation begins by emptying the folder.
      if (stopped) npm.kill('SIGKILL');
      else killer = setTimeout(() => npm.kill('SIGKILL'), stopPatienceMs);
      stopped = true;
      npm.kill(signal);
    });
  }
  const code = await new Promise((settle) => {
    // Standard output stays free for the command's own: npm's goes to standard error.
    npm = spawn('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      env: plainEnvironment(),
      shell: process.platform === 'win32',
    });
    if (npm.pid) onStart(npm.pid);
    npm.once('error', (error) => settle(error.message));
    npm.once('exit', (exitCode, signal) => settle(signal ?? exitCode));
  });
  clearInterval(ticker);
  clearTimeout(killer);
  if (stopped) fail('Stopped while installing: start again to go on.');
  if (code !== 0) {
    fail(
      `npm ci failed (${code}): read its message above; it needs the network, a writable ${root} and about 500 MB of disk.`,
    );
  }
  for (const signal of signals) process.removeAllListeners(signal);
  say(`Installed in ${seconds()} s.`);
}

/** Without what an outer npm or npx has set for its own purposes: its prefix and package list are not ours. */
function plainEnvironment() {
  const kept = /^npm_config_(cache|userconfig|globalconfig|registry|proxy|https_proxy|noproxy|cafile|offline)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name)));
}

/** Runs the command as a child and behaves as it does: its signals, its exit code, its end. */
function spawnAndFollow(command, args) {
  // The child notices by the end of file on descriptor 3 that this process is gone, even by kill -9.
  const child = spawn(command, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, HOLDFAST_LIFELINE: '3' },
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.once('error', (error) => fail(`${command} could not be started: ${error.message}`));
  child.once('exit', (code, signal) => {
    for (const each of signals) process.off(each, forward);
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 1);
  });
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(sentence) {
  say(sentence);
  process.exit(4);
}

const [, invoked, entry, ...args] = process.argv;
if (invoked && realpathSync(invoked) === fileURLToPath(import.meta.url)) {
  if (!entry) fail('usage: node cli/bootstrap.mjs <entry> [arguments…]');
  await run(entry, args);
}
