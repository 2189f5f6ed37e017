/** `npm run chaos`: the long fault run. `--minutes N --seed N --json FILE --keep`. */
import { randomInt } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServers } from '../servers/ladder.ts';
import { type ChaosResult, runChaos } from './harness/chaos-run.ts';
import { describeResult } from './harness/result-table.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
    objects: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '6000' },
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

const servers = await startServers();
const folder = await mkdtemp(join(tmpdir(), 'holdfast-chaos-'));
let result: ChaosResult;
try {
  process.stderr.write(`seed ${seed}: repeat this run with --seed ${seed}\n${servers.describe}\n`);
  result = await runChaos(servers, {
    seed,
    minutes: positive('minutes', values.minutes),
    folder,
    keep: values.keep,
    faultIntervalMs: positive('fault-interval', values['fault-interval']),
    objects: positive('objects', values.objects),
    rateMax: positive('rate', values.rate),
    onProgress: showProgress,
    signal: stopping.signal,
  });
} catch (error) {
  process.stderr.write(`\nthe run failed; what was recorded so far is in ${folder}\n`);
  throw error;
} finally {
  await servers.stop();
}
if (terminal) process.stderr.write('\r\u001b[K');
console.log(describeResult(result));
if (values.keep) console.log(`history kept in ${result.folder}`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
process.exit(result.held && !stopping.signal.aborted ? 0 : 1);
