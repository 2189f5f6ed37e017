import { describe, expect, it } from 'vitest';
import { redactText, redactUrl } from '../../src/telemetry/redact-url.ts';

describe('redactUrl', () => {
  it.each([
    ['amqp://guest:guest@127.0.0.1:5672/v', 'amqp://guest:***@127.0.0.1:5672/v'],
    ['postgres://u:p%40ss@h:5432/d?sslmode=require', 'postgres://u:***@h:5432/d?sslmode=require'],
    ['postgres://u:p@ss:w/rd#@h/d', 'postgres://u:***@h/d'],
    ['postgres://:only@h/d', 'postgres://:***@h/d'],
    ['postgres:///d?host=/tmp&user=u&password=secret', 'postgres:///d?host=/tmp&user=u&password=***'],
    ['postgres://127.0.0.1:5432/holdfast', 'postgres://127.0.0.1:5432/holdfast'],
    ['postgres://user@h/d', 'postgres://user@h/d'],
    ['not a url', 'not a url'],
    ['', ''],
  ])('turns %s into %s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected);
  });
});

describe('redactText', () => {
  it('hides the password of every URL in a text and leaves the rest', () => {
    expect(redactText('from amqp://a:secret1@h to postgres://b:secret2@i/d at 10:30, mail x@y')).toBe(
      'from amqp://a:***@h to postgres://b:***@i/d at 10:30, mail x@y',
    );
  });

  it('handles a long text without a URL in no time', () => {
    const text = 'a://'.repeat(20_000);
    expect(redactText(text)).toBe(text);
  });
});
