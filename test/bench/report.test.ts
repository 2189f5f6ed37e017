/** The report of benchmarks: what it says of goals, and that it leaves alone what people wrote around it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { GroupResult, Sample } from '../../bench/measure/sample.ts';
import { median, percentile, spread } from '../../bench/measure/statistics.ts';
import { judge } from '../../bench/report/reach.ts';
import type { Results } from '../../bench/report/results.ts';
import { writeReport } from '../../bench/report/write-report.ts';
import { GROUPS, HOLDFAST_FULL, NAIVE } from '../../bench/workloads/contender-names.ts';

const sample = (count: number, seconds: number): Sample => ({
  count,
  seconds,
  cpu: { process: count * 5e-6 },
});

function drainNew(holdfast: readonly Sample[], naive: readonly Sample[]): GroupResult {
  return {
    id: GROUPS.drainNew,
    title: 'Drain',
    about: 'About.',
    unit: 'commands',
    rounds: holdfast.length,
    warmUp: true,
    contenders: [
      { name: HOLDFAST_FULL, samples: holdfast },
      { name: NAIVE, samples: naive },
    ],
  };
}

function resultsOf(groups: readonly GroupResult[]): Results {
  return {
    environment: {
      date: '2026-01-02',
      commit: 'abc',
      cpu: 'a processor',
      cores: 2,
      memoryBytes: 8e9,
      loadAverage: 0.1,
      platform: 'Linux',
      node: '20.19.0',
      servers: 'given',
      options: { HOLDFAST_WRITERS: '3' },
      rabbitmq: '3.10.8',
      postgresql: '15.1',
      settings: { fsync: 'on' },
    },
    quick: false,
    seconds: 60,
    groups,
  };
}

it('takes the median of an odd and of an even number of values', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spread([])).toBeUndefined();
  expect(percentile([5, 1, 4, 2, 3], 0.99)).toBe(5);
});

it('judges a goal by the ratio of medians, and says what was not measured', () => {
  const group = drainNew([sample(100, 1), sample(100, 2), sample(100, 1)], [sample(10, 1)]);
  const [first, ...others] = judge([group]);
  expect(first).toMatchObject({ goal: '≥ 10×', measured: '10×', verdict: 'reached' });
  expect(others.find(({ what }) => what.startsWith('worker CPU'))).toMatchObject({
    measured: '5 µs',
    verdict: 'reached',
  });
  expect(others.filter(({ verdict }) => verdict === 'not measured')).toHaveLength(judge([group]).length - 2);
  const [slow] = judge([drainNew([sample(99, 1)], [sample(10, 1)])]);
  expect(slow).toMatchObject({ measured: '9.9×', verdict: 'SHORT' });
});

it('writes between its marks and keeps what stands around them, however often', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-report-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'benchmarks.md');
  const results = resultsOf([drainNew([sample(100, 1)], [sample(50, 1)])]);
  await writeReport(results, file);
  await writeFile(file, `before\n${await readFile(file, 'utf8')}after\n`);
  const { raw } = await writeReport(results, file);
  const text = await readFile(file, 'utf8');
  expect(text.startsWith('before\n')).toBe(true);
  expect(text.endsWith('after\n')).toBe(true);
  expect(text.match(/## Drain/g)).toHaveLength(1);
  expect(text).toContain('Short of the goal: drain, all new');
  expect(text).toContain('HOLDFAST_WRITERS 3');
  expect(JSON.parse(await readFile(raw, 'utf8'))).toEqual(results);
});

it('refuses a file that has no place for it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-report-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'benchmarks.md');
  await writeFile(file, 'written by hand');
  await expect(writeReport(resultsOf([]), file)).rejects.toThrow('no place for the report');
  expect(await readFile(file, 'utf8')).toBe('written by hand');
});
