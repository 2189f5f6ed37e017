/**
 * The demo: two worker replicas and three object nodes as separate processes, tens of thousands of commands, a replica
 * killed half-way, a few poison commands; then every object is compared with what its node last had confirmed, and the
 * dead letters are replayed after a fix.
 */
import { startServers } from '../../test/servers/ladder.ts';
import { addRule, deadLetters, liftRule, untilMoved } from './dead-letters.ts';
import { NODES, type NodeReport, OPERATIONS, PARTITIONS, WORKERS } from './plan.ts';
import { PoisonPublisher, REPAIRABLE } from './poison.ts';
import { type Environment, runNode, WorkerProcess } from './processes.ts';
import { Progress } from './progress.ts';
import { createScratch, type Scratch } from './scratch.ts';
import { countStored, type Verdict, verify } from './verify.ts';

const say = (line: string): void => console.log(line);
const count = (n: number): string => n.toLocaleString('en-US');
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());

process.exitCode = await main();

async function main(): Promise<number> {
  const startedAt = performance.now();
  const servers = await startServers({ log: say });
  let scratch: Scratch | undefined;
  const workers: WorkerProcess[] = [];
  try {
    say(`Servers: ${servers.describe}.`);
    scratch = await createScratch(servers.amqpUrl, servers.databaseUrl);
    const { prefix } = scratch;
    const env = {
      HOLDFAST_AMQP_URL: servers.amqpUrl,
      HOLDFAST_DATABASE_URL: scratch.databaseUrl,
      HOLDFAST_PREFIX: prefix,
      HOLDFAST_PARTITIONS: String(PARTITIONS),
    };
    for (let i = 1; i <= WORKERS; i += 1) workers.push(new WorkerProcess(`worker-${i}`, env));
    await Promise.all(workers.map(({ ready }) => ready));
    say(
      `Schema and queues are up; ${WORKERS} workers run (pids ${workers.map(({ pid }) => pid).join(', ')}).`,
    );
    await addRule(scratch.databaseUrl);
    const held = await show(servers.amqpUrl, scratch, env, workers);
    say(`Took ${((performance.now() - startedAt) / 1_000).toFixed(1)} s in all.`);
    return held ? 0 : 1;
  } catch (error) {
    if (interrupted.signal.aborted) say('Interrupted; cleaning up.');
    else console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
    await scratch?.remove();
    await servers.stop();
  }
}

/** The main job; returns whether everything held. */
async function show(
  amqpUrl: string,
  { prefix, databaseUrl }: Scratch,
  env: Environment,
  workers: WorkerProcess[],
): Promise<boolean> {
  const poison = await PoisonPublisher.open(amqpUrl, prefix);
  const [victim] = workers;
  let killed = false;
  const progress = new Progress((done) => {
    if (killed || victim === undefined || done < OPERATIONS / 2) return;
    killed = true;
    victim.kill();
    progress.note(`Half-way: ${victim.name} (pid ${victim.pid}) killed with SIGKILL; the other takes over.`);
  });
  await poison.publish();
  progress.note(`${poison.expected} poison commands sent by a stranger, among good ones.`);
  const startedAt = performance.now();
  const reports = await Promise.all(
    Array.from({ length: NODES }, (_, i) =>
      runNode(`node-${i + 1}`, amqpUrl, prefix, (done) => progress.report(i, done), interrupted.signal),
    ),
  );
  progress.end();
  const seconds = (performance.now() - startedAt) / 1_000;
  const verdict = await verify(amqpUrl, prefix, reports);
  await poison.close();
  const letters = await untilMoved(databaseUrl, poison.expected);
  say('');
  say(await deadLetters(env, 'list'));
  say(await deadLetters(env, 'list', '--each'));
  await liftRule(databaseUrl);
  say('');
  say('The rule that refused negative scores is lifted; replaying everything:');
  say(await deadLetters(env, 'replay'));
  const repaired = await countStored(amqpUrl, prefix, REPAIRABLE);
  return summarize(reports, verdict, { letters, expected: poison.expected, repaired }, seconds);
}

interface LetterCounts {
  readonly letters: number;
  readonly expected: number;
  /** Objects that are stored since their letters were replayed. */
  readonly repaired: number;
}

function summarize(
  reports: readonly NodeReport[],
  { compared, lost, stale }: Verdict,
  { letters, expected, repaired }: LetterCounts,
  seconds: number,
): boolean {
  const sum = (field: 'saves' | 'deletes' | 'loads' | 'staleLoads'): number =>
    reports.reduce((total, report) => total + report[field], 0);
  const failures = reports.flatMap((report) => report.failures);
  say('');
  say(
    `${count(sum('saves'))} saves, ${count(sum('deletes'))} deletes and ${count(sum('loads'))} loads by ${NODES} nodes ` +
      `in ${seconds.toFixed(1)} s (${count(Math.round(OPERATIONS / seconds))}/s); ` +
      `every node waited for each object's confirm before its next change.`,
  );
  if (failures.length > 0) say(`${failures.length} operations failed: ${[...new Set(failures)].join(', ')}`);
  for (const id of [...lost, ...stale].slice(0, 10)) say(`  differs: ${id}`);
  const staleCount = stale.length + sum('staleLoads');
  say(
    `${count(compared)} objects compared with what was last confirmed: ${lost.length} lost, ${staleCount} stale; ` +
      `${letters} of ${expected} dead letters, ${repaired} of ${REPAIRABLE.length} stored by the replay.`,
  );
  const settled = letters === expected && repaired === REPAIRABLE.length;
  return lost.length === 0 && staleCount === 0 && failures.length === 0 && settled;
}
