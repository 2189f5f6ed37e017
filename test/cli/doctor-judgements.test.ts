/** What doctor makes of facts that a test cannot bring about on shared servers. */
import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../src/broker/broker-error.ts';
import { CheckList } from '../../src/cli/doctor/check.ts';
import { judgeQueues, judgeRights, judgeVersion } from '../../src/cli/doctor/check-broker.ts';
import {
  judgeClock,
  judgeDurability,
  judgePooler,
  judgePrivileges,
  judgeRoom,
  judgeSchema,
  judgeServer,
  judgeTimeZone,
  judgeUpkeep,
} from '../../src/cli/doctor/check-database.ts';
import { checkProcess } from '../../src/cli/doctor/check-process.ts';
import { Options } from '../../src/config/options.ts';
import type { Privileges } from '../../src/store/privileges.ts';
import type { ServerFacts } from '../../src/store/server-facts.ts';

const FACTS: ServerFacts = {
  version: '17.2',
  versionNumber: 170_002,
  encoding: 'UTF8',
  database: 'holdfast',
  user: 'holdfast',
  schema: 'public',
  fsync: true,
  synchronousCommit: 'on',
  fullPageWrites: true,
  autovacuum: true,
  trackCounts: true,
  readOnly: false,
  connectionsMax: 97,
  connections: 5,
  timeZone: 'Etc/UTC',
};

/** The checks that a judgement made, as `status name`. */
function judged(judge: (list: CheckList) => void): string[] {
  const list = new CheckList('PostgreSQL');
  judge(list);
  return list.checks.map(({ status, name }) => `${status} ${name}`);
}

const clock = (aheadMs: number, uncertaintyMs = 1): string[] =>
  judged((list) => judgeClock({ aheadMs, uncertaintyMs }, list));

const pooler = (...identities: (readonly [announced: number | undefined, answering: number])[]): string[] =>
  judged((list) =>
    judgePooler(
      identities.map(([announced, answering]) => ({ announced, answering })),
      list,
    ),
  );

const brokerVersion = (version: string): string | undefined =>
  judged((list) => judgeVersion(version, list))[0];

const queue = (messages: number, consumers: number) => ({ queue: 'q', messages, consumers });

const statuses = (version: string): string[] => checkProcess(version).map(({ status }) => status);

describe('PostgreSQL', () => {
  it('must be 15 or newer, in UTF8, and writable', () => {
    expect(judged((list) => judgeServer(FACTS, list))).toEqual(['ok version', 'ok encoding']);
    const old = { ...FACTS, versionNumber: 140_010, encoding: 'LATIN1', readOnly: true };
    expect(judged((list) => judgeServer(old, list))).toEqual([
      'fail version',
      'fail encoding',
      'fail writable',
    ]);
  });

  it('is unsafe without fsync, synchronous_commit or full_page_writes', () => {
    expect(judged((list) => judgeDurability(FACTS, list))).toEqual(['ok durability']);
    const unsafe = { ...FACTS, fsync: false, synchronousCommit: 'off', fullPageWrites: false };
    expect(judged((list) => judgeDurability(unsafe, list))).toHaveLength(3);
    const list = new CheckList('PostgreSQL');
    judgeDurability({ ...FACTS, synchronousCommit: 'off' }, list);
    expect(list.checks).toMatchObject([
      { status: 'warn', found: expect.stringContaining('UNSAFE'), advice: expect.stringContaining('on') },
    ]);
    expect(
      judged((another) => judgeDurability({ ...FACTS, synchronousCommit: 'remote_apply' }, another)),
    ).toEqual(['ok durability']);
  });

  it('should not have been migrated by a newer version', () => {
    const list = new CheckList('PostgreSQL');
    judgeSchema({ applied: 4, missing: [], unknown: [9] }, FACTS, list);
    expect(list.checks).toMatchObject([
      { status: 'warn', found: expect.stringContaining('9'), advice: 'Update this installation' },
    ]);
  });

  it('must have room for a worker', () => {
    const options = Options.parse({ writers: 4, loadConnections: 2 });
    expect(judged((list) => judgeRoom({ ...FACTS, connections: 90 }, options, list))).toEqual([
      'ok connections',
    ]);
    expect(judged((list) => judgeRoom({ ...FACTS, connections: 91 }, options, list))).toEqual([
      'warn connections',
    ]);
  });

  it('must clean up behind updates', () => {
    expect(judged((list) => judgeUpkeep({ ...FACTS, trackCounts: false }, list))).toEqual([
      'warn autovacuum',
    ]);
  });

  it('should mean UTC by its times', () => {
    expect(judged((list) => judgeTimeZone(FACTS, list))).toEqual(['ok time zone']);
    expect(judged((list) => judgeTimeZone({ ...FACTS, timeZone: 'Europe/Berlin' }, list))).toEqual([
      'warn time zone',
    ]);
  });

  it('must have a clock that is not far from ours', () => {
    expect([clock(5), clock(-1_500), clock(61_000), clock(1_500, 1_000)]).toEqual([
      ['ok clock'],
      ['warn clock'],
      ['fail clock'],
      ['ok clock'],
    ]);
  });

  it('is told from a pooler by who answers', () => {
    expect(pooler([10, 10], [11, 11], [12, 12])).toEqual(['ok pooler']);
    expect(pooler([77, 10], [78, 11], [79, 12])).toEqual(['warn pooler']);
    expect(pooler([77, 10], [78, 10], [79, 10])).toEqual(['fail pooler']);
    expect(pooler([undefined, 10], [undefined, 11])).toEqual(['ok pooler']);
  });

  it('must let its user write, and migrate only if something is to be migrated', () => {
    const privileges: Privileges = {
      temporary: true,
      create: false,
      tables: [
        { table: 'goverse_objects', exists: true, missing: ['DELETE'], owner: false },
        { table: 'holdfast_migrations', exists: true, missing: ['INSERT', 'UPDATE', 'DELETE'], owner: false },
        { table: 'holdfast_claims', exists: false, missing: ['SELECT'], owner: false },
      ],
    };
    const list = new CheckList('PostgreSQL');
    judgePrivileges(privileges, { applied: 3, missing: [], unknown: [] }, FACTS, list);
    expect(list.checks).toMatchObject([
      { status: 'fail', advice: 'GRANT DELETE ON goverse_objects TO holdfast;' },
    ]);
    expect(
      judged((another) =>
        judgePrivileges(
          { ...privileges, temporary: false },
          { applied: 2, missing: ['0003'], unknown: [] },
          FACTS,
          another,
        ),
      ),
    ).toEqual(['fail rights', 'fail rights', 'fail rights', 'warn rights']);
  });
});

describe('RabbitMQ', () => {
  it('must be 3.10 or newer', () => {
    expect(['3.9.29', '3.10.8', '4.1.0', ''].map(brokerVersion)).toEqual([
      'fail version',
      'ok version',
      'ok version',
      'fail version',
    ]);
  });

  it('must let its user declare, publish and consume', () => {
    const options = Options.parse({ amqpUrl: 'amqp://alice:secret@mq', prefix: 'trial' });
    const list = new CheckList('RabbitMQ');
    const error = new BrokerError('BROKER_REFUSED', 'access to queue refused');
    judgeRights(
      { refused: { right: 'write', error }, blocked: false, roundTripMs: undefined },
      list,
      options,
    );
    judgeRights({ refused: undefined, blocked: true, roundTripMs: undefined }, list, options);
    expect(list.checks).toMatchObject([
      {
        status: 'fail',
        found: expect.stringContaining('alice may not publish'),
        advice: expect.stringContaining('trial'),
      },
      { status: 'warn', found: expect.stringContaining('alarm') },
    ]);
    expect(JSON.stringify(list.checks)).not.toContain('secret');
  });

  it('must have somebody who consumes, also what is left of another number of partitions', () => {
    const options = Options.parse({ partitions: 2 });
    const status = (...found: Parameters<typeof judgeQueues>[0]) =>
      judged((list) => judgeQueues(found, list, options));
    expect(status({ partitionCount: 2, queues: [queue(5, 1), queue(0, 1)] })).toEqual(['ok consumers']);
    expect(status({ partitionCount: 2, queues: [queue(0, 1), queue(0, 0)] })).toEqual(['warn consumers']);
    expect(status({ partitionCount: 1, queues: [queue(0, 0)] })).toEqual(['ok 1 partitions']);
    expect(status({ partitionCount: 1, queues: [queue(3, 0)] })).toEqual(['warn 1 partitions']);
    expect(status({ partitionCount: 1, queues: [queue(3, 1)] })).toEqual(['ok 1 partitions']);
  });
});

describe('this process', () => {
  it('must run on Node.js 20.19 or newer, with a clock that was not stepped', () => {
    expect(statuses('20.18.9')).toEqual(['fail', 'ok']);
    expect(statuses('20.19.0')).toEqual(['ok', 'ok']);
  });
});
