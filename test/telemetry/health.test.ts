import { describe, expect, it } from 'vitest';
import { Health, WORKER_CONDITIONS } from '../../src/telemetry/health.ts';

const NEW_YEAR = Date.UTC(2026, 0, 1);

describe('health', () => {
  it('is live but not ready until every condition holds', () => {
    const health = new Health(WORKER_CONDITIONS);
    for (const condition of WORKER_CONDITIONS) {
      expect(health).toMatchObject({ live: true, ready: false });
      health.pass(condition);
    }
    expect(health).toMatchObject({ live: true, ready: true });
  });

  it('is not ready while a condition fails, and says why and since when', () => {
    let now = NEW_YEAR;
    const health = new Health(['broker', 'store'], () => now);
    health.pass('broker');
    health.pass('store');
    now += 1_000;
    health.fail('store', 'connection refused');
    now += 1_000;
    health.fail('store', 'too many connections');
    expect(health.report()).toEqual({
      live: true,
      ready: false,
      conditions: {
        broker: { ok: true, since: '2026-01-01T00:00:00.000Z' },
        store: { ok: false, reason: 'too many connections', since: '2026-01-01T00:00:01.000Z' },
      },
    });
    now += 1_000;
    health.pass('store');
    expect(health.report().conditions['store']).toEqual({ ok: true, since: '2026-01-01T00:00:03.000Z' });
    expect(health.ready).toBe(true);
  });

  it('is neither live nor ready once it is declared fatal, for the first reason given', () => {
    const health = new Health(['broker']);
    health.pass('broker');
    health.declareFatal('the drain is stuck');
    health.declareFatal('another');
    expect(health.report()).toMatchObject({ live: false, ready: false, fatal: 'the drain is stuck' });
  });

  it('shows no password in a reason', () => {
    const health = new Health(['broker']);
    health.fail('broker', 'cannot reach amqp://u:hunter2@h');
    health.declareFatal('gave up on amqp://u:hunter2@h');
    expect(JSON.stringify(health.report())).not.toContain('hunter2');
  });
});
