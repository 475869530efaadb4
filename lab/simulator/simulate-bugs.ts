import { styleText } from 'node:util';
import { type Finding, huntBugs, isFound } from './bug-hunt.ts';
import { bugSeedsMax, bugs } from './bugs/index.ts';
import { replayOf, type SimulateOptions, type SimulateScreen, simulateExitCodes } from './simulate-options.ts';

/** All planted bugs, one after the other: what a change of the simulator must not stop finding. */
export async function simulateBugs({ workers, json }: SimulateOptions, screen: SimulateScreen): Promise<number> {
  let count = 0;
  const findings = await huntBugs({
    bugs,
    ...(workers === undefined ? {} : { workers }),
    onFinding: () => screen.progress(`${++count} of ${bugs.length} bugs`),
  });
  screen.progress('');
  if (json) screen.out(JSON.stringify(findings));
  else screen.out(bugTable(findings, screen.elapsedMs()));
  return findings.every(isFound) ? simulateExitCodes.ok : simulateExitCodes.checkFailed;
}

export function bugTable(findings: readonly Finding[], wallMs: number): string {
  const lines = findings.map(({ bug, seed, violated, isCleanWithout }) => {
    const found = seed === undefined ? styleText('red', 'not found'.padEnd(9)) : `seed ${seed}`.padEnd(9);
    const doubt = seed !== undefined && !isCleanWithout ? styleText('red', ' (found without it too)') : '';
    return `${bug.padEnd(24)}  ${found}  ${violated.join('; ')}${doubt}`;
  });
  const found = findings.filter(isFound).length;
  const example = findings.find(isFound);
  return [
    `${'bug'.padEnd(24)}  ${'found at'.padEnd(9)}  by`,
    ...lines,
    '',
    `${found} of ${findings.length} found within ${bugSeedsMax} seeds, in ${(wallMs / 1000).toFixed(0)} s. ` +
      'Each of these runs is clean without its bug.',
    ...(example ? [`Replay one: ${replayOf(example.seed ?? 1, example.bug)}`] : []),
  ].join('\n');
}
