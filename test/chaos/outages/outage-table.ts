/** The result of an outage, for people. */

import { OUTAGES } from './outage.ts';
import type { OutageResult } from './outage-run.ts';

export function describeOutage(result: OutageResult): string {
  const rows: [string, string][] = [
    ['saves confirmed before', number(result.confirmedBefore)],
    ['saves confirmed meanwhile', number(result.confirmedDuring)],
    ['saves confirmed in all', number(result.confirmedInAll)],
    ['saves failed', number(result.failedSaves)],
    ['most saves held by the client', number(result.bufferedItemsMax)],
    ['dead letters', number(result.letters)],
    [
      'redeliveries meanwhile, in all',
      `${number(result.redeliveriesDuring)}, ${number(result.redeliveriesInAll)}`,
    ],
    ['looks at /readyz: ready, not ready', `${result.looksReadyDuring}, ${result.looksUnreadyDuring}`],
    ...result.residentMiB.map(({ before, duringMax, catchingUpMax }, index): [string, string] => [
      `memory of worker ${index + 1}: before, meanwhile, after`,
      `${before}, ${duringMax}, ${catchingUpMax} MiB`,
    ]),
    [
      'memory of the client: before, highest',
      `${result.clientResidentMiBBefore}, ${result.clientResidentMiBMax} MiB`,
    ],
    ['workers ready again after', seconds(result.readyAfterMs)],
    ['caught up after', seconds(result.caughtUpAfterMs)],
    ['objects not stored as last confirmed', number(result.wrongObjects)],
  ];
  return [
    '',
    `${OUTAGES[result.outage].what}, for ${result.minutes.toFixed(1)} minutes, ${result.versions}`,
    '',
    ...rows.map(([name, value]) => `  ${name.padEnd(48)} ${value}`),
    '',
    result.held ? 'held' : 'BROKEN',
  ].join('\n');
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
