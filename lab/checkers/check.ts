import type { Evidence } from './history/evidence.ts';
import type { SectionName, Sections } from './history/sections.ts';

/** Evidence in which the sections that a check needs are there. */
export type Known<Needs extends SectionName> = Evidence & Pick<Sections, Needs>;

/**
 * One guarantee (DESIGN §5): it looks at what a run left behind, and names what is wrong. Pure. None looks at how the
 * services do their work, so they hold for any shop behind these contracts.
 */
export interface Check {
  readonly name: string;
  /** Without these there is nothing to look at. */
  readonly needs: readonly SectionName[];
  readonly find: (evidence: Evidence) => Iterable<string>;
  /** How many things it looked at: a check that looked at nothing has shown nothing. */
  readonly size: (evidence: Evidence) => number;
}

interface Definition<Needs extends SectionName> {
  readonly name: string;
  readonly needs: readonly Needs[];
  readonly find: (evidence: Known<Needs>) => Iterable<string>;
  readonly size: (evidence: Known<Needs>) => number;
}

/** A check that finds and counts nothing where a section it needs is missing. */
export function defineCheck<Needs extends SectionName = never>(definition: Definition<Needs>): Check {
  const { name, needs, find, size } = definition;
  const isKnown = (evidence: Evidence): evidence is Known<Needs> => needs.every((section) => evidence[section]);
  return {
    name,
    needs,
    find: (evidence) => (isKnown(evidence) ? find(evidence) : []),
    size: (evidence) => (isKnown(evidence) ? size(evidence) : 0),
  };
}

export interface CheckResult {
  readonly name: string;
  readonly status: 'passed' | 'violated' | 'not-applicable';
  /** How many things it looked at. */
  readonly looked: number;
  /** The first of them; `count` is of all. */
  readonly violations: readonly string[];
  readonly count: number;
  /** Why it is not applicable. */
  readonly reason?: string;
}

/** Of one check so many violations are kept: one bug mostly shows many times. */
const violationsKeptMax = 100;

export function runChecks(evidence: Evidence, checks: readonly Check[]): CheckResult[] {
  return checks.map((check) => runCheck(evidence, check));
}

function runCheck(evidence: Evidence, check: Check): CheckResult {
  const { name, needs } = check;
  const missing = needs.filter((section) => !evidence[section]);
  const looked = check.size(evidence);
  const violations: string[] = [];
  let count = 0;
  for (const violation of check.find(evidence)) {
    count += 1;
    if (count <= violationsKeptMax) violations.push(violation);
  }
  if (count > 0) return { name, status: 'violated', looked, violations, count };
  if (looked > 0) return { name, status: 'passed', looked, violations, count };
  const reason = missing.length > 0 ? `without ${missing.join(', ')}` : 'nothing to look at';
  return { name, status: 'not-applicable', looked, violations, count, reason };
}
