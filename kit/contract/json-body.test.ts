import Type from 'typebox';
import { expect, test } from 'vitest';
import { parseJson } from './json-body.ts';
import { createValidator } from './validate.ts';

const parse = (json: string) => parseJson(Buffer.from(json));

test('text that no database keeps is refused at the door: NUL and half a surrogate pair, in values and in names', () => {
  for (const json of ['{"a":["x\\u0000y"]}', '{"a\\u0000":1}', '"\\ud800"', '{"a":"\\uDC00"}', '"\\ud83dx\\ude00"']) {
    expect(() => parse(json), json).toThrow(expect.objectContaining({ code: 'contract/malformed-json', status: 400 }));
  }
});

test('whole surrogate pairs, other escapes, and a backslash before u0000 are text like any other', () => {
  expect(parse('["\\ud83d\\ude00", "\\u00e9\\n", "\\\\u0000", "😀"]')).toEqual(['😀', 'é\n', '\\u0000', '😀']);
});

test('a query with NUL is refused, and told where', () => {
  const { checkRequest } = createValidator({
    method: 'GET',
    path: '/',
    summary: '',
    access: ['anonymous'],
    query: Type.Object({ q: Type.Optional(Type.String()), many: Type.Optional(Type.Array(Type.String())) }),
    responses: {},
  });
  for (const query of [{ q: 'a\0b' }, { many: ['a', '\0'] }] as const) {
    const [name] = Object.keys(query);
    expect(() => checkRequest({}, query, undefined)).toThrow(`query:${name} holds NUL`);
  }
  expect(checkRequest({}, { q: 'a' }, undefined).query).toEqual({ q: 'a' });
});
