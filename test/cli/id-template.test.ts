/** Ids made of documents: exact, whatever stands beside them. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdTemplate } from '../../src/cli/publish/id-template.ts';
import { topLevelValues } from '../../src/cli/publish/top-level-values.ts';

const idOf = (template: string, document: string) => new IdTemplate(template).idOf(Buffer.from(document));

describe('topLevelValues', () => {
  it('finds what JSON.parse finds', () => {
    const layout = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), layout, (document, space) => {
        const bytes = Buffer.from(JSON.stringify(document, undefined, space));
        const values = topLevelValues(bytes, new Set(Object.keys(document)));
        const parsed = Object.fromEntries(
          Array.from(values, ([name, raw]): [string, unknown] => [name, JSON.parse(raw)]),
        );
        expect(parsed).toEqual(JSON.parse(bytes.toString()));
      }),
    );
  });

  it('takes the last of two members of one name, as jsonb does', () => {
    expect(topLevelValues(Buffer.from('{"a":1,"b":{"a":2},"a":3}'), new Set(['a'])).get('a')).toBe('3');
  });
});

describe('an id', () => {
  it('is a member', () => {
    expect(idOf('id', '{"id":"user-1"}')).toEqual({ id: 'user-1' });
    expect(idOf('id', '{"x":{"id":"no"},"id":"\\u00e9\\"{"}')).toEqual({ id: 'é"{' });
  });

  it('keeps integers beyond 2^53', () => {
    expect(idOf('id', '{"id":9007199254740993}')).toEqual({ id: '9007199254740993' });
  });

  it('is a template of members', () => {
    expect(idOf('city-{country}-{name}', '{"name":"Vila","country":"AD"}')).toEqual({ id: 'city-AD-Vila' });
    expect(idOf('{{{a}}}', '{"a":1}')).toEqual({ id: '{1}' });
  });

  it.each([
    ['{"other":1}', 'the document has no member "id" for the id'],
    ['{"id":1.5}', 'the member "id" for the id is neither a text nor a whole number'],
    ['{"id":null}', 'the member "id" for the id is neither a text nor a whole number'],
    ['{"id":["a"]}', 'the member "id" for the id is neither a text nor a whole number'],
  ])('cannot come from %s', (document, fault) => {
    expect(idOf('id', document)).toEqual({ fault });
  });

  it.each(['a{b', 'a}b', '{}', '{{only braces}}'])('cannot be made by the template %s', (template) => {
    expect(() => new IdTemplate(template)).toThrow(/--id/);
  });
});
