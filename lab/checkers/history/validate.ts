import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { type Line, type LineType, lineSchemas } from './lines.ts';
import { type Row, type SectionName, sectionNames, sectionSchemas } from './sections.ts';

interface Checker {
  Check(value: unknown): boolean;
  Errors(
    value: unknown,
  ): Iterable<{ readonly instancePath: string; readonly message: string; readonly params?: unknown }>;
}

const checkers = new Map<TSchema, Checker>();

/** Compiled at first use, as it takes milliseconds. */
function checkerOf(schema: TSchema): Checker {
  let checker = checkers.get(schema);
  if (!checker) {
    checker = Compile(schema) as Checker;
    checkers.set(schema, checker);
  }
  return checker;
}

const problemsToldMax = 3;

/** What does not fit, or undefined. */
function misfit(schema: TSchema, value: unknown): string | undefined {
  const checker = checkerOf(schema);
  if (checker.Check(value)) return undefined;
  const problems = [...checker.Errors(value)].map(({ instancePath, message, params }) => {
    const { requiredProperties, additionalProperties } = (params ?? {}) as Record<string, string[] | undefined>;
    const names = requiredProperties ?? (Array.isArray(additionalProperties) ? additionalProperties : undefined);
    return `${instancePath.slice(1) || 'it'} ${message}${names ? ` (${names.join(', ')})` : ''}`;
  });
  return [...new Set(problems)].slice(0, problemsToldMax).join('; ');
}

const lineTypes = Object.keys(lineSchemas) as LineType[];

/** The line, or what is wrong with it. */
export function readLine(text: string): Line | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `this is not JSON (${(error as Error).message})`;
  }
  const { type } = (value ?? {}) as { type?: unknown };
  const known = lineTypes.find((each) => each === type);
  if (!known) return `"type" is ${JSON.stringify(type) ?? 'missing'}: it is one of ${lineTypes.join(', ')}`;
  if (known === 'section' || known === 'row') {
    const { of } = value as { of?: SectionName };
    if (!sectionNames.includes(of as SectionName)) {
      return `there is no section ${JSON.stringify(of) ?? 'without a name'}: it is one of ${sectionNames.join(', ')}`;
    }
  }
  const problem = misfit(lineSchemas[known], value);
  return problem === undefined ? (value as Line) : `this is no "${known}" line: ${problem}`;
}

export function readRow<Name extends SectionName>(of: Name, row: unknown): Row<Name> | string {
  const problem = misfit(sectionSchemas[of], row);
  return problem === undefined ? (row as Row<Name>) : `this is no row of ${of}: ${problem}`;
}
