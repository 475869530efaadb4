import { exitCodes, Failure } from '../../cli/failure.ts';
import { bugNamed, bugSeedsMax, bugs } from './bugs/index.ts';
import { simulateBugs } from './simulate-bugs.ts';
import { simulateMany } from './simulate-many.ts';
import { simulateOne } from './simulate-one.ts';
import { mistakeIn, type SimulateOptions, type SimulateScreen, simulateExitCodes } from './simulate-options.ts';

/** Instead of the name of a bug. */
const allBugs = 'all';

/** `holdfast simulate`: returns the exit code. Throws a `Failure` when what is asked for makes no sense. */
export async function simulate(options: SimulateOptions, screen: SimulateScreen): Promise<number> {
  if (options.listBugs) return listBugs(options, screen);
  const mistake = mistakeIn(options);
  if (mistake) throw new Failure(exitCodes.usage, mistake);
  if (options.bug === allBugs) return simulateBugs(options, screen);
  if (options.bug !== undefined && !bugNamed(options.bug)) {
    throw new Failure(exitCodes.usage, `There is no planted bug ${options.bug}; --list-bugs names them all.`);
  }
  return options.seed === undefined ? simulateMany(options, screen) : simulateOne(options, options.seed, screen);
}

function listBugs({ json }: SimulateOptions, { out }: SimulateScreen): number {
  if (json) out(JSON.stringify(bugs.map(({ name, summary }) => ({ name, summary, seedsMax: bugSeedsMax }))));
  else for (const { name, summary } of bugs) out(`${name.padEnd(26)} ${summary}`);
  return simulateExitCodes.ok;
}
