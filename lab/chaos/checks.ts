import { hash } from 'node:crypto';
import type { World } from '#kit/runtime';
import { allChecks, type Evidence, runChecks, type Violation } from '../checkers/index.ts';
import { type Findings, readFindings, type Sources } from './evidence.ts';
import { historyOf } from './history.ts';
import type { Operation } from './workload.ts';

/** What was checked, how many facts each check looked at, and what does not hold. */
export interface CheckResult {
  readonly checks: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** What was judged, to be kept; absent where it could not be read. */
  readonly evidence?: Evidence;
}

const quietPollMs = 250;
/** What has not changed for so long will not: longer than any pause of a relay that still has something to do. */
const restMs = 15_000;
/** A saga that tries again writes nothing of it for several attempts, each some 10 s after the one before at most. */
const restMsWithSagas = 45_000;

/**
 * Reads what is left until every check holds, for what is still under way looks like a violation. What has come to rest
 * otherwise, or never does, is judged as it stands.
 */
export async function checkWhenQuiet(
  sources: Sources,
  operations: readonly Operation[],
  world: World,
  patienceMs: number,
): Promise<CheckResult> {
  const untilMs = world.clock.monotonicMs() + patienceMs;
  const history = historyOf(operations);
  const refusals = checkRefusals(operations);
  let changedMs = world.clock.monotonicMs();
  let last = '';
  for (;;) {
    let result: CheckResult;
    try {
      result = judge(await readFindings(sources, history), refusals);
    } catch (error) {
      result = { checks: {}, violations: [{ guarantee: 'the system comes back', detail: String(error) }] };
    }
    const nowMs = world.clock.monotonicMs();
    const { operations: _, ...left } = result.evidence ?? { operations: [] };
    const print = hash('sha256', JSON.stringify([left, result.violations]));
    if (print !== last) changedMs = nowMs;
    last = print;
    const patientMs = isAnySagaUnderWay(result) ? restMsWithSagas : restMs;
    if (result.violations.length === 0 || nowMs > untilMs || nowMs - changedMs > patientMs) return result;
    await world.timers.sleep(quietPollMs);
  }
}

function isAnySagaUnderWay({ evidence }: CheckResult): boolean {
  return evidence?.sagas?.some(({ status }) => status === 'running' || status === 'compensating') ?? false;
}

function judge({ evidence, givenUp, poisonLetters }: Findings, refusals: Looked): CheckResult {
  const checks: Record<string, number> = {};
  const violations: Violation[] = [...refusals.violations];
  for (const { name, status, looked, violations: found } of runChecks(evidence, allChecks)) {
    if (status === 'not-applicable') continue;
    checks[name] = looked;
    violations.push(...found.map((detail) => ({ guarantee: name, detail })));
  }
  const lost = 'no reader gives up an event that is sound';
  checks[lost] = givenUp.length + poisonLetters + (evidence.log?.length ?? 0);
  violations.push(...givenUp.map((detail) => ({ guarantee: lost, detail })));
  if (refusals.looked > 0) checks[refusals.guarantee] = refusals.looked;
  return { checks, violations, evidence };
}

interface Looked {
  readonly guarantee: string;
  readonly looked: number;
  readonly violations: readonly Violation[];
}

/** Answers that are nobody's fault: try later, too many, in flight, not yet, already. */
const excused = new Set([408, 409, 429]);

/** Requests of the workload are right, so 4xx would be a lie. Signing in may fail for reasons of its own. */
function checkRefusals(operations: readonly Operation[]): Looked {
  const guarantee = 'a fault is never told as a mistake of the caller';
  const violations: Violation[] = [];
  let looked = 0;
  for (const { kind, subject, reply } of operations) {
    if (reply.kind !== 'answer') continue;
    looked += 1;
    const isTheirs = reply.status >= 400 && reply.status < 500 && !excused.has(reply.status);
    const isSignIn = kind === 'receive' && reply.status === 401;
    if (!isTheirs || isSignIn) continue;
    violations.push({ guarantee, detail: `${kind} ${subject}: ${reply.status} ${JSON.stringify(reply.body)}` });
  }
  return { guarantee, looked, violations };
}
