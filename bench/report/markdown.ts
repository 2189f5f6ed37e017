/** The report as Markdown: the goals first, then where the time goes, then every group. */
import type { GroupResult } from '../measure/sample.ts';
import { CLIENT_SAVE, HOLDFAST_FULL, HOLDFAST_SINGLE, LARGE_BACKLOG } from '../workloads/contender-names.ts';
import {
  cpuMicroseconds,
  latencyMs,
  megabytes,
  number,
  peakMemoryBytes,
  rangeText,
  rates,
  rateText,
} from './figures.ts';
import { type Judged, judge } from './reach.ts';
import type { Results } from './results.ts';

type Row = readonly (string | undefined)[];

/** Columns that are empty throughout are left out. */
function table(head: readonly string[], rows: readonly Row[]): string {
  const kept = head.map((_, column) => rows.some((row) => (row[column] ?? '') !== ''));
  const line = (cells: Row): string =>
    `| ${cells
      .filter((_, column) => kept[column])
      .map((cell) => cell ?? '')
      .join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  );
}

export function renderReport(results: Results): string {
  const judged = judge(results.groups);
  return [
    renderEnvironment(results),
    '## Goals',
    'Ratios of medians, measured side by side in the same run.',
    table(
      ['what', 'goal', 'measured', ''],
      judged.map(({ what, goal, measured, verdict }) => [what, goal, measured, verdict]),
    ),
    renderShortfalls(judged),
    ...renderProfile(results.groups),
    ...results.groups.flatMap(renderGroup),
  ].join('\n\n');
}

function renderEnvironment({ environment, quick, seconds, groups }: Results): string {
  const {
    date,
    commit,
    cpu,
    cores,
    memoryBytes,
    loadAverage,
    platform,
    node,
    servers,
    options,
    rabbitmq,
    postgresql,
    settings,
  } = environment;
  return [
    ...(quick ? ['**A quick run, which shows that everything works. Its figures mean nothing.**'] : []),
    `${date}, commit ${commit}. ${cores} cores (${cpu}), ${Math.round(memoryBytes / 1e9)} GB, ${platform}, all on this one machine: ` +
      `RabbitMQ ${rabbitmq}, PostgreSQL ${postgresql} (${servers}), Node ${node}. Options of Holdfast: ${
        Object.keys(options).length === 0 ? 'defaults' : `defaults but for ${list(options)}`
      }. PostgreSQL: ${list(settings)}. Quorum queues, persistent messages, confirms. ${groups.length} groups in ` +
      `${Math.round(seconds / 60)} minutes. Load of the machine in the minute before: ${loadAverage.toFixed(1)}.`,
    'How it is measured: contenders of a group take turns (A B C, B C A, C A B), each on a table that was emptied or filled anew and ' +
      'checkpointed, each in fresh processes; the first round is thrown away where it says so. A drain begins when the process is ' +
      'connected and ends when its last command is committed (a worker is watched from outside, every 20 ms, by the last command ' +
      'of each partition, so that up to 60 ms count against it; the others say so themselves). After each measurement the rows and versions of the table are checked. ' +
      'CPU is that of the process (worker or contender), of RabbitMQ and of PostgreSQL, per command, from /proc.',
  ].join('\n\n');
}

function list(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function renderShortfalls(judged: readonly Judged[]): string {
  const short = judged.filter(({ verdict }) => verdict === 'SHORT');
  if (short.length === 0) return 'Nothing that was measured falls short.';
  return `Short of the goal: ${short.map(({ what, measured, goal }) => `${what} (${measured}, goal ${goal})`).join('; ')}.`;
}

function renderProfile(groups: readonly GroupResult[]): string[] {
  const rows = groups.flatMap(({ title, contenders }) =>
    contenders
      .filter(({ name }) => [HOLDFAST_FULL, HOLDFAST_SINGLE, LARGE_BACKLOG, CLIENT_SAVE].includes(name))
      .map((contender): Row => {
        const parts = (['process', 'broker', 'database'] as const).map((part) =>
          cpuMicroseconds(contender, part),
        );
        const rate = rates(contender)?.median;
        const sum = parts.reduce((total: number, part) => total + (part ?? 0), 0);
        return [
          `${title}: ${contender.name.replace('holdfast: ', '')}`,
          number(rate === undefined ? undefined : 1e6 / rate),
          ...parts.map(number),
          parts.includes(undefined) ? '' : number(sum),
        ];
      }),
  );
  if (rows.length === 0) return [];
  return [
    '## Where the time goes',
    'Microseconds per command: of the clock, and of CPU by component. With two cores, a sum of twice the clock means that both ' +
      'were busy all the time; what is less is waiting, for the disk or for each other.',
    table(['', 'clock', 'worker or node', 'RabbitMQ', 'PostgreSQL', 'CPU in all'], rows),
  ];
}

function renderGroup(group: GroupResult): string[] {
  const { title, about, unit, rounds, warmUp, contenders } = group;
  const rows = contenders.map((contender): Row => {
    const rate = rates(contender);
    const latency = latencyMs(contender);
    return [
      contender.name,
      contender.note,
      rateText(rate),
      rangeText(rate),
      number(latency?.median),
      number(latency?.p99),
      ...(['process', 'worker', 'broker', 'database'] as const).map((part) =>
        number(cpuMicroseconds(contender, part)),
      ),
      megabytes(peakMemoryBytes(contender)),
    ];
  });
  const head = [
    'contender',
    '',
    `${unit}, median`,
    'min–max',
    'latency ms, median',
    'p99',
    'CPU µs: process',
    'worker',
    'RabbitMQ',
    'PostgreSQL',
    'peak MB',
  ];
  const times = `${rounds} ${rounds === 1 ? 'round' : 'rounds'}${warmUp ? ' after one that is thrown away' : ''}.`;
  return [`## ${title}`, `${about} ${times}`, table(head, rows)];
}
