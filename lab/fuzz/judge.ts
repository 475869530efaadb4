import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { Operation } from './api.ts';
import type { Shot } from './request.ts';
import type { Schema } from './schema.ts';

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  /** It was still being told when it was let go. */
  readonly isCut: boolean;
}

export type Role = 'anonymous' | 'customer' | 'staff' | 'admin';

const compiled = new WeakMap<Schema, Validator>();

function errorsIn(schema: Schema, value: unknown): string | undefined {
  const validator = compiled.get(schema) ?? Compile(schema as TSchema);
  compiled.set(schema, validator);
  if (validator.Check(value)) return undefined;
  const [first] = validator.Errors(value);
  return first ? `${first.instancePath || 'it'} ${first.message}` : 'it does not fit';
}

/** What is wrong with an answer by the document, in a sentence; undefined: nothing. */
export function faultOf(operation: Operation, role: Role, shot: Shot, answer: Answer): string | undefined {
  const { status } = answer;
  if (status < 400 && !mayCall(operation, role)) return `${role} was let in`;
  const described = operation.responses[String(status)];
  // 503 of what is described so is an answer, and 504 is a busy machine; otherwise nothing that a client sends may break anything.
  if (status >= 500 && status !== 504 && !described) return `is not to be had by a request`;
  if (status === 304 && shot.method === 'GET') return undefined;
  if (!described && status < 400) return 'is not in the document';
  const { media, schema } = described ?? operation.responses['default'] ?? {};
  if (media === undefined || schema === undefined) return answer.text === '' ? undefined : 'should have no body';
  if (!answer.contentType.startsWith(media)) return `is ${answer.contentType || 'of no type'}, not ${media}`;
  return media === 'application/x-ndjson' ? faultOfLines(schema, answer) : faultOfText(schema, answer.text);
}

/** An admin may do what staff may. */
function mayCall({ roles }: Operation, role: Role): boolean {
  return !roles || roles.includes(role) || (role === 'admin' && roles.includes('staff'));
}

function faultOfText(schema: Schema, text: string): string | undefined {
  try {
    const error = errorsIn(schema, JSON.parse(text));
    return error && `does not fit its schema: ${error}`;
  } catch {
    return 'is not JSON';
  }
}

function faultOfLines(schema: Schema, { text, isCut }: Answer): string | undefined {
  const lines = text.split('\n');
  const last = lines.pop();
  if (last !== '' && !isCut) return 'does not end its last line';
  return lines.map((line) => faultOfText(schema, line)).find((fault) => fault !== undefined);
}
