/**
 * `npm run chaos`: the long fault run, `--minutes N --seed N --json FILE --keep`; or, with `--outage NAME`, one long
 * outage under steady publishing, `--minutes N --rate N --json FILE`.
 */
import { randomInt } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServers } from '../servers/ladder.ts';
import { runChaos } from './harness/chaos-run.ts';
import { describeResult } from './harness/result-table.ts';
import { isOutageName, OUTAGES } from './outages/outage.ts';
import { runOutage } from './outages/outage-run.ts';
import { describeOutage } from './outages/outage-table.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
    objects: { type: 'string', default: '20000' },
    rate: { type: 'string' },
    outage: { type: 'string' },
    'fault-interval': { type: 'string', default: '3500' },
  },
});

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0`);
  return number;
}

const terminal = process.stderr.isTTY;
let lastLineAt = 0;

/** Rewrites one line on a terminal; elsewhere a line every ten seconds is enough. */
function showProgress(line: string): void {
  if (terminal) {
    process.stderr.write(`\r\u001b[K${line}`);
    return;
  }
  if (performance.now() - lastLineAt < 10_000) return;
  lastLineAt = performance.now();
  process.stderr.write(`${line}\n`);
}

const seed = values.seed === undefined ? randomInt(1, 2_147_483_647) : positive('seed', values.seed);
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stderr.write('\nending the run early; cleaning up\n');
    stopping.abort();
  });
}

const { outage } = values;
if (outage !== undefined && !isOutageName(outage)) {
  throw new Error(`--outage must be one of ${Object.keys(OUTAGES).join(', ')}`);
}
const servers = await startServers();
const folder = await mkdtemp(join(tmpdir(), 'holdfast-chaos-'));
let result: { readonly held: boolean };
let description: string;
try {
  const minutes = positive('minutes', values.minutes);
  process.stderr.write(`${servers.describe}\n`);
  if (outage === undefined) {
    process.stderr.write(`seed ${seed}: repeat this run with --seed ${seed}\n`);
    const chaos = await runChaos(servers, {
      seed,
      minutes,
      folder,
      keep: values.keep,
      faultIntervalMs: positive('fault-interval', values['fault-interval']),
      objects: positive('objects', values.objects),
      rateMax: positive('rate', values.rate ?? '6000'),
      onProgress: showProgress,
      signal: stopping.signal,
    });
    result = chaos;
    description = describeResult(chaos);
    if (values.keep) description += `\nhistory kept in ${chaos.folder}`;
  } else {
    const rate = positive('rate', values.rate ?? '500');
    const over = { outage, minutes, rate, folder, onProgress: showProgress, signal: stopping.signal };
    const done = await runOutage(servers, over);
    result = done;
    description = describeOutage(done);
  }
} catch (error) {
  process.stderr.write(`\nthe run failed; what was recorded so far is in ${folder}\n`);
  throw error;
} finally {
  await servers.stop();
}
if (terminal) process.stderr.write('\r\u001b[K');
console.log(description);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
process.exit(result.held && !stopping.signal.aborted ? 0 : 1);
