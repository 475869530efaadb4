import fc from 'fast-check';
import Type from 'typebox';
import { expect, test } from 'vitest';
import { parseJson } from './json-body.ts';
import { findTwiceNamed } from './twice-named.ts';
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

test.each([
  ['{"quantity":1,"sku":"A","quantity":2}', '/quantity'],
  ['{"lines":[{"sku":"{\\"a\\":1,"},{"sku":"B","n":1,"s\\u006bu":"C"}]}', '/lines/1/sku'],
  ['{"a/b":{"~":[],"~":[]}}', '/a~1b/~0'],
  ['[[],{"__proto__":1,"__proto__":2}]', '/1/__proto__'],
])('a name that an object has twice is refused with its place: %s', (json, pointer) => {
  expect(() => parse(json)).toThrow(
    expect.objectContaining({
      code: 'contract/malformed-json',
      detail: `${pointer} is there twice`,
      errors: [{ pointer, detail: 'is there twice' }],
    }),
  );
});

test('whatever JSON has no name twice is read as it was written', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (json) => {
      expect(findTwiceNamed(json)).toBeUndefined();
      expect(parse(json)).toEqual(JSON.parse(json));
    }),
  );
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
