/** What every session sets for itself. Goal: the promises do not depend on how an operator set the server or the role. */
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/store/connection.ts';
import { openScratch } from '../support/scratch.ts';

const scratch = await openScratch();

const HOSTILE = {
  default_transaction_isolation: 'serializable',
  lock_timeout: '0',
  statement_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  tcp_user_timeout: '0',
  timezone: 'Asia/Tokyo',
};

describe('a session', () => {
  it('has the settings that the promises rest on, whatever the database says', async () => {
    const name = new URL(scratch.databaseUrl).pathname.slice(1);
    for (const [setting, value] of Object.entries(HOSTILE)) {
      await scratch.sql.query(`ALTER DATABASE "${name}" SET ${setting} = '${value}'`);
    }
    const connection = await Connection.open(
      scratch.connectionOptions({
        lockTimeoutMs: 1_001,
        statementTimeoutMs: 2_002,
        idleInTransactionTimeoutMs: 3_003,
        tcpUserTimeoutMs: 4_004,
      }),
    );
    const settings: Record<string, unknown> = {};
    for (const setting of Object.keys(HOSTILE)) {
      const { rows } = await connection.query({ text: `SHOW ${setting}` });
      settings[setting] = rows[0]?.[0];
    }
    await connection.close();
    expect(settings).toEqual({
      default_transaction_isolation: 'read committed',
      lock_timeout: '1001ms',
      statement_timeout: '2002ms',
      idle_in_transaction_session_timeout: '3003ms',
      tcp_user_timeout: '4004',
      timezone: 'UTC',
    });
  });

  it.each([
    [true, 'force_generic_plan'],
    // The filters of dead letters have parts that a plan for the values leaves out.
    [false, 'auto'],
    [undefined, 'auto'],
  ])('plans once for all values if that is %s', async (genericPlans, mode) => {
    const connection = await Connection.open(
      scratch.connectionOptions(genericPlans === undefined ? {} : { genericPlans }),
    );
    const { rows } = await connection.query({ text: 'SHOW plan_cache_mode' });
    await connection.close();
    expect(rows).toEqual([[mode]]);
  });

  it('tells PostgreSQL who it is', async () => {
    const connection = await Connection.open(scratch.connectionOptions({ applicationName: 'holdfast w-1' }));
    const { rows } = await connection.query({ text: 'SHOW application_name' });
    await connection.close();
    expect(rows).toEqual([['holdfast w-1']]);
  });
});
