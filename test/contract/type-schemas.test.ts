/** Schemas by object type. Goal: what is not one is named at start, and a violation tells where and never what. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { z as z3 } from 'zod/v3';
import { issuesText, LETTER_TEXT_CHARACTERS_MAX } from '../../src/contract/letter.ts';
import { type DocumentSchema, readTypeSchemas, schemaViolation } from '../../src/contract/type-schemas.ts';

const User = z.object({ name: z.string().max(5), tags: z.array(z.string()).optional() });

const moduleOf = (exported: object): object =>
  Object.defineProperty({ ...exported }, Symbol.toStringTag, { value: 'Module' });

describe('schemas by type', () => {
  it.each([
    ['a record', { User }],
    ['named exports', moduleOf({ User })],
    ['a default export, which goes before named ones', moduleOf({ default: { User }, other: 7 })],
    ['schemas of Zod 3', { User: z3.object({}) }],
    ['anything with safeParse', { User: { safeParse: () => ({ success: true }) } }],
  ])('are read from %s', (_name, given) => {
    expect([...readTypeSchemas(given).keys()]).toEqual(['User']);
  });

  it('may be of types with any name', () => {
    const given = Object.fromEntries(['__proto__', 'default', 'Chat Room', '😀'].map((type) => [type, User]));
    expect(readTypeSchemas(given).size).toBe(4);
  });

  it.each([
    ['nothing', {}, 'no schemas'],
    ['nothing at all', undefined, 'must be an object'],
    ['a module of nothing', moduleOf({}), 'no schemas'],
    ['one schema for everything', moduleOf({ default: User }), 'must be an object'],
    ['something else', { User, helper: () => true }, '"helper" is not a Zod schema'],
    ['a plain object', { User: { name: 'string' } }, '"User" is not a Zod schema'],
    ['an impossible type', { '\ud800': User }, 'lone surrogate'],
    ['an async refinement', { User: z.string().refine(async () => true) }, 'asynchronous'],
    [
      'one further in',
      {
        User: z.object({
          a: z.array(
            z.object({
              b: z
                .string()
                .refine(async () => true)
                .optional(),
            }),
          ),
        }),
      },
      'asynchronous',
    ],
  ])('are refused where there is %s', (_name, given, message) => {
    expect(() => readTypeSchemas(given)).toThrow(message);
  });
});

const violation = (schema: DocumentSchema, document: string) => schemaViolation(schema, 'User', document);

describe('a document', () => {
  it('that fits is no violation, whatever the schema makes of it', () => {
    expect(violation(User, '{"name":"alice"}')).toBeUndefined();
    expect(
      violation(z.object({ a: z.string().transform(Number), b: z.number().default(1) }), '{"a":"1"}'),
    ).toBe(undefined);
  });

  it('that does not fit is told by its paths and kinds, never by its content', () => {
    const error = violation(z.strictObject(User.shape), '{"name":"my secret","tags":["a",7],"more":1}');
    expect(error).toMatchObject({ code: 'SCHEMA_VIOLATION', scope: 'command', retryable: false });
    expect(error?.issues).toEqual([['name'], ['tags', 1], ['more']]);
    expect(error?.message).toBe(
      'the document does not fit the schema of type "User": name (too_big), tags.1 (invalid_type), more (unrecognized_keys)',
    );
  });

  it('is judged the same by a schema of Zod 3', () => {
    const error = violation(z3.object({ name: z3.string() }), '{"name":7}');
    expect(error?.issues).toEqual([['name']]);
  });

  it('may have the keys of an object prototype', () => {
    const document = '{"__proto__":{"a":1},"constructor":7}';
    expect(violation(z.record(z.string(), z.unknown()), document)).toBeUndefined();
    expect(violation(z.object({ name: z.string() }), document)?.issues).toEqual([['name']]);
  });

  it('is rejected where the schema itself fails, with what failed', () => {
    const wrapped = z.object({}).superRefine(async () => undefined);
    expect(violation(wrapped, '{}')).toMatchObject({ code: 'SCHEMA_VIOLATION', issues: [] });
    const broken = z.object({}).refine(() => {
      throw new RangeError('my secret');
    });
    expect(violation(broken, '{}')?.message).toBe('the schema of type "User" threw an error: RangeError');
  });

  it('with many issues has a short message and all paths', () => {
    const document = JSON.stringify(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, n])));
    const error = violation(z.record(z.string(), z.string()), document);
    expect(error?.issues).toHaveLength(50);
    expect(error?.message).toContain('k4 (invalid_type), 45 more');
  });
});

describe('the header of issues', () => {
  it('is JSON of the first paths, and short, whatever the keys are', () => {
    const step = fc.oneof(fc.string({ unit: 'binary', maxLength: 150 }), fc.nat());
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 30 }), (paths) => {
        const text = issuesText(paths);
        expect(text.length).toBeLessThanOrEqual(LETTER_TEXT_CHARACTERS_MAX);
        expect(text.isWellFormed()).toBe(true);
        const read = JSON.parse(text) as unknown[][];
        expect(read.map((path) => path.length)).toEqual(
          paths.slice(0, read.length).map((path) => path.length),
        );
      }),
    );
    expect(issuesText([['name'], ['tags', 1], []])).toBe('[["name"],["tags",1],[]]');
  });
});
