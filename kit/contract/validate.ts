import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { OperationDescription } from './operation.ts';
import { contractProblems, type Problem, type ProblemPlace } from './problem.ts';

/** No more places than this are listed: an answer must not be larger than the mistake. */
const placesMax = 20;

type Convert = (value: string | readonly string[]) => unknown;

export interface OperationValidator {
  /** Returns the typed query (text converted to what the schema wants), or throws `contract/invalid-input`. */
  checkRequest(
    params: Readonly<Record<string, string>>,
    query: Readonly<Record<string, string | readonly string[]>>,
    body: unknown,
  ): { readonly query: Readonly<Record<string, unknown>> };
  /** Throws `contract/bad-reply` when a body does not fit: for tests and the simulator. */
  checkReply(status: number, body: unknown): void;
}

const validators = new WeakMap<OperationDescription, OperationValidator>();

/**
 * Compiles an operation's schemas once, each when it is first needed; checking then costs well under a microsecond a request.
 * All servers of a process that answer an operation share its validator. Compiling those of all services at once took 200 ms
 * of a start, two thirds of it for replies, which only tests look at.
 */
export function createValidator(operation: OperationDescription): OperationValidator {
  let validator = validators.get(operation);
  if (!validator) {
    validator = compile(operation);
    validators.set(operation, validator);
  }
  return validator;
}

function compile(operation: OperationDescription): OperationValidator {
  const request = once(() => ({
    params: operation.params && Compile(operation.params),
    query: operation.query && Compile(operation.query),
    body: operation.body && operation.stream !== 'request' ? Compile(operation.body) : undefined,
    converters: queryConverters(operation.query),
  }));
  const replies = once(
    () => new Map(Object.entries(operation.responses).map(([status, schema]) => [Number(status), Compile(schema)])),
  );
  const empty = {};

  return {
    checkRequest(paramValues, queryValues, bodyValue) {
      const { params, query, body, converters } = request();
      const typedQuery = query ? convertQuery(queryValues, converters) : empty;
      refuseNul('path:', paramValues);
      refuseNul('query:', queryValues);
      if (
        (!params || params.Check(paramValues)) &&
        (query ? query.Check(typedQuery) : isEmpty(queryValues)) &&
        (!body || body.Check(bodyValue))
      ) {
        return { query: typedQuery };
      }
      const places: ProblemPlace[] = [];
      if (params) collect(places, params.Errors(paramValues), 'path:', operation.params);
      if (query) collect(places, query.Errors(typedQuery), 'query:', operation.query);
      else
        for (const name of Object.keys(queryValues)) places.push({ pointer: `query:${name}`, detail: 'is not known' });
      if (body) {
        if (bodyValue === undefined) places.push({ pointer: '', detail: 'a JSON body is required' });
        else collect(places, body.Errors(bodyValue), '', operation.body);
      }
      throw invalidInput(places.slice(0, placesMax));
    },
    checkReply(status, replyBody) {
      const schema = replies().get(status);
      if (schema && (operation.stream === 'reply' || schema.Check(replyBody))) return;
      const places: ProblemPlace[] = [];
      if (schema) collect(places, schema.Errors(replyBody), '', operation.responses[status]);
      throw contractProblems['bad-reply']({
        detail: schema ? `the body of status ${status} does not fit` : `status ${status} is not in the contract`,
        errors: places.slice(0, placesMax),
      });
    },
  };
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export function invalidInput(errors: readonly ProblemPlace[]): Problem {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail = first ? `${first.pointer || 'the body'} ${first.detail}${more}` : 'the request does not fit';
  return contractProblems['invalid-input']({ detail, errors });
}

interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params?: unknown;
}

function collect(
  places: ProblemPlace[],
  errors: Iterable<SchemaError>,
  prefix: string,
  schema: TSchema | undefined,
): void {
  for (const error of errors) {
    const name = prefix ? error.instancePath.slice(1) : error.instancePath;
    const pointer = prefix + name;
    // A closed object reports an unknown field twice; the one that points at the field itself is the useful one.
    if (error.keyword === 'boolean') places.push({ pointer, detail: 'is not known' });
    else if (error.keyword === 'additionalProperties' || error.keyword === 'unevaluatedProperties') continue;
    else if (error.keyword === 'required') {
      const missing = (error.params as { requiredProperties?: readonly string[] }).requiredProperties ?? [];
      for (const field of missing) {
        places.push({ pointer: prefix ? `${prefix}${field}` : `${pointer}/${field}`, detail: 'is required' });
      }
    } else {
      const detail = detailOf(error, schema);
      // Each branch of a union reports by itself, the union last, if there is still room for it.
      if (!places.some((place) => place.pointer === pointer && place.detail === detail))
        places.push({ pointer, detail });
    }
  }
}

interface Described {
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly { readonly const?: unknown }[];
}

/** In words that say what would fit: the values of a union, and what a pattern is about. */
function detailOf({ keyword, schemaPath, message }: SchemaError, schema: TSchema | undefined): string {
  const path = keyword === 'const' ? schemaPath.replace(/\/anyOf\/\d+$/, '') : schemaPath;
  const { description, anyOf = [], enum: values = [] } = schemaAt(schema, path);
  const allowed = keyword === 'enum' ? values : anyOf.map((branch) => branch.const);
  const areValues = keyword !== 'pattern' && allowed.length > 0 && !allowed.includes(undefined);
  if (areValues) return `must be one of ${allowed.join(', ')}`;
  return keyword === 'pattern' && description !== undefined ? `${message}: ${description}` : message;
}

/** By a path like `#/properties/lines/items`. */
function schemaAt(schema: TSchema | undefined, path: string): Described {
  let at: unknown = schema;
  for (const name of path.split('/').slice(1)) at = (at as Record<string, unknown> | undefined)?.[name];
  return (at ?? {}) as Described;
}

/** No database here keeps it in a text. Bodies are looked at as they are read. */
function refuseNul(place: 'path:' | 'query:', values: Readonly<Record<string, string | readonly string[]>>): void {
  for (const name in values) {
    const value = values[name] ?? '';
    const isOdd = typeof value === 'string' ? value.includes('\0') : value.some((one) => one.includes('\0'));
    if (isOdd) throw invalidInput([{ pointer: `${place}${name}`, detail: 'holds NUL' }]);
  }
}

function isEmpty(value: Readonly<Record<string, unknown>>): boolean {
  for (const _ in value) return false;
  return true;
}

interface PropertySchema {
  readonly type?: string;
  readonly items?: PropertySchema;
}

function queryConverters(schema: TSchema | undefined): Map<string, Convert> {
  const properties = (schema as { properties?: Record<string, PropertySchema> } | undefined)?.properties ?? {};
  return new Map(Object.entries(properties).map(([name, property]) => [name, converterOf(property)]));
}

/** Query text becomes what the schema wants only where it is exactly that; anything else is left for the check to refuse. */
function converterOf(schema: PropertySchema): Convert {
  if (schema.type === 'array') {
    const convert = converterOf(schema.items ?? {});
    return (value) => (typeof value === 'string' ? [convert(value)] : value.map((item) => convert(item)));
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    return (value) => (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value);
  }
  if (schema.type === 'boolean') return (value) => (value === 'true' ? true : value === 'false' ? false : value);
  return (value) => value;
}

function convertQuery(
  values: Readonly<Record<string, string | readonly string[]>>,
  converters: Map<string, Convert>,
): Record<string, unknown> {
  const typed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) typed[name] = converters.get(name)?.(value) ?? value;
  return typed;
}
