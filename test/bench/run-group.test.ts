/** The order of measurements. Goal: every contender is as often first, and none is measured more often than another. */
import { expect, it } from 'vitest';
import { runGroup } from '../../bench/measure/run-group.ts';

it('each round begins with the next contender', async () => {
  const order: string[] = [];
  const contender = (name: string) => ({
    name,
    measure: () => {
      order.push(name);
      return Promise.resolve({ count: 1, seconds: 1, cpu: { process: 0, broker: 0, database: 0 } });
    },
  });
  const group = {
    id: 'g',
    title: '',
    about: '',
    unit: 'commands',
    rounds: 3,
    warmUp: false,
    contenders: [contender('A'), contender('B'), contender('C')],
  };
  const progress = { measuring: () => undefined, measured: () => undefined };
  const limits = { signal: new AbortController().signal, timeIsUp: () => false };
  const result = await runGroup(group, progress, limits);
  expect(order.join('')).toBe('BCACABABC');
  expect(result.contenders.map(({ samples }) => samples.length)).toEqual([3, 3, 3]);
});
