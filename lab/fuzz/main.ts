import { parseArgs } from 'node:util';
import { type Logger, systemWorld } from '#kit/runtime';
import { exitCodes, explain, Failure } from '../../cli/failure.ts';
import { accountsFor, signInAt } from './accounts.ts';
import { fuzz } from './fuzz.ts';
import { textOf } from './report.ts';

const say = (text: string) => void process.stderr.write(`${text}\n`);

try {
  process.exitCode = await main();
} catch (error) {
  const { sentence, exitCode } = explain(error);
  say(sentence);
  process.exitCode = exitCode;
}

async function main(): Promise<number> {
  const { url: origin, email, only, ...counts } = optionsOf();
  const [seed, shots] = [wholeNumber('--seed', counts.seed), wholeNumber('--shots', counts.shots)];
  const password = process.env['HOLDFAST_ADMIN_PASSWORD'];
  if (!password) {
    throw new Failure(
      exitCodes.usage,
      'HOLDFAST_ADMIN_PASSWORD is not set: it is in admin.json of the data directory.',
    );
  }
  const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
  const world = systemWorld(silent);
  const admin = () => signInAt(origin, { email, password });
  const signIn = await accountsFor(origin, admin, world.ids.next('fzz').toLowerCase()).catch((cause) => {
    throw new Failure(exitCodes.unavailable, `Nobody can sign in at ${origin}: ${cause.message}.`, { cause });
  });
  const report = await fuzz({
    ...{ world, origin, signIn, seed, shots, only },
    onFinding: (finding) => say(textOf(finding)),
  });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return report.findings.length === 0 ? exitCodes.ok : exitCodes.checkFailed;
}

function optionsOf() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: 'http://127.0.0.1:4080' },
        seed: { type: 'string', default: '1' },
        shots: { type: 'string', default: '5000' },
        only: { type: 'string' },
        email: { type: 'string', default: 'admin@holdfast.local' },
      },
    });
    return values;
  } catch (cause) {
    throw new Failure(exitCodes.usage, `${(cause as Error).message}.`, { cause });
  }
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Failure(
    exitCodes.usage,
    `${option} is a whole number of at most nine digits, not ${JSON.stringify(text)}.`,
  );
}
