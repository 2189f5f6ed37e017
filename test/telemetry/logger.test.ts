/** What a log line looks like, and what never stands in one. */
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../../src/contract/errors.ts';
import { createLogger, type LogFields, type Logger, type LogLevel } from '../../src/telemetry/logger.ts';

function capture(level: LogLevel = 'info'): {
  logger: Logger;
  lines: Record<string, unknown>[];
  text: () => string;
} {
  const raw: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => {
    raw.push(line);
    lines.push(JSON.parse(line) as Record<string, unknown>);
  };
  return {
    logger: createLogger({ level, name: 'worker-1', destination: { write } }),
    lines,
    text: () => raw.join(''),
  };
}

/** What was logged of one thrown value. */
function logged(err: unknown): Record<string, unknown> {
  const { logger, lines } = capture();
  logger.error({ err }, 'failed');
  return lines[0]?.['err'] as Record<string, unknown>;
}

describe('a log line', () => {
  it('is one JSON object with level, time, process, name, message and fields', () => {
    const { logger, lines, text } = capture();
    logger.info({ partition: 3, commands: 500, durationMs: 12 }, 'batch written');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        pid: process.pid,
        name: 'worker-1',
        partition: 3,
        commands: 500,
        durationMs: 12,
        msg: 'batch written',
      },
    ]);
    expect(text().endsWith('}\n')).toBe(true);
  });

  it('is written only from the chosen level on', () => {
    const { logger, lines } = capture('warn');
    logger.info({}, 'hidden');
    logger.warn({}, 'shown');
    expect(lines.map((line) => line['msg'])).toEqual(['shown']);
    expect(logger.isLevelEnabled('info')).toBe(false);
  });

  it('carries the fields of the loggers it descends from', () => {
    const { logger, lines } = capture();
    logger.child({ partition: 1 }).child({ queue: 'q' }).info({ rows: 2 }, 'x');
    expect(lines[0]).toMatchObject({ partition: 1, queue: 'q', rows: 2, name: 'worker-1' });
  });
});

describe('a secret', () => {
  it('is taken out of URL fields, which stay readable', () => {
    const { logger, lines } = capture();
    logger.info({ url: 'amqp://u:hunter2@h:5672' }, 'connected');
    logger.child({ url: 'amqp://u:hunter2@h:5672' }).info({}, 'connected');
    expect(lines.map((line) => line['url'])).toEqual(['amqp://u:***@h:5672', 'amqp://u:***@h:5672']);
  });

  it('is taken out of fields nobody should have logged, also one level down', () => {
    const { logger, text } = capture();
    const amqpUrl = 'amqp://u:hunter2@h';
    const careless = {
      password: 'hunter2',
      amqpUrl,
      options: { amqpUrl, databaseUrl: amqpUrl, password: 'hunter2' },
    };
    logger.info(careless as LogFields, 'careless');
    expect(text()).not.toContain('hunter2');
    expect(text()).toContain('amqp://u:***@h');
  });

  it('is taken out of messages and stacks of errors and of their causes', () => {
    const cause = new Error('cannot reach postgres://u:hunter2@h/d');
    const { logger, text } = capture();
    logger.error({ err: new Error('amqp://u:hunter2@h is down', { cause }) }, 'failed');
    logger.error({ err: 'amqp://u:hunter2@h' }, 'failed');
    expect(text()).not.toContain('hunter2');
    expect(text()).toContain('cannot reach postgres://u:***@h/d');
  });
});

describe('a logged error', () => {
  it('has its code, reach, stack and cause', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    const err = new HoldfastError('STORE_UNAVAILABLE', 'no database', {
      scope: 'dependency',
      retryable: true,
      cause,
    });
    expect(logged(err)).toMatchObject({
      type: 'HoldfastError',
      code: 'STORE_UNAVAILABLE',
      scope: 'dependency',
      retryable: true,
      message: 'no database',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { code: 'ECONNREFUSED', syscall: 'connect', message: 'connect ECONNREFUSED' },
    });
  });

  it('does not have the row that PostgreSQL quotes', () => {
    const err = Object.assign(new Error('null value in column "type"'), {
      code: '23502',
      constraint: 'c',
      detail: 'Failing row contains (secret document)',
      where: 'COPY batch, line 7: "secret document"',
    });
    const fields = logged(err);
    expect(fields).toMatchObject({ code: '23502', constraint: 'c' });
    expect(JSON.stringify(fields)).not.toContain('secret document');
  });

  it('lists the errors of every address that was tried', () => {
    const err = new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]);
    expect(logged(err)['errors']).toMatchObject([
      { message: '::1 refused' },
      { message: '127.0.0.1 refused' },
    ]);
  });

  it('is bounded, whatever its size and shape', () => {
    const err: Error & { cause?: unknown } = new Error('x'.repeat(1_000_000));
    err.cause = err;
    expect(JSON.stringify(logged(err)).length).toBeLessThan(60_000);
  });

  it('may have been given properties of the wrong type', () => {
    const err = Object.assign(new Error('x'), { message: { a: 1 }, code: { b: 2 }, stack: 7 });
    expect(logged(err)).toEqual({ type: 'Error', message: 'a object', stack: 'a number' });
  });

  it.each([[undefined], [null], [7], [{ document: 'secret' }], [Symbol('s')]])(
    'may be thrown as %s, which is not quoted',
    (thrown) => {
      const { logger, text } = capture();
      logger.error({ err: thrown }, 'failed');
      expect(text()).toContain('"msg":"failed"');
      expect(text()).not.toContain('secret');
    },
  );
});
