/** `npm run bench`: everything that can be measured, side by side, and the report of it. */
import { join, resolve } from 'node:path';
import { startServers } from '../test/servers/ladder.ts';
import { packageRoot } from '../test/servers/package-root.ts';
import type { ServersSource } from '../test/servers/servers.ts';
import { type Arguments, readArguments, USAGE } from './arguments.ts';
import { readEnvironment } from './environment.ts';
import { Rig } from './measure/rig.ts';
import { runGroup } from './measure/run-group.ts';
import type { Group, GroupResult } from './measure/sample.ts';
import { duration, ProgressLines } from './report/progress-lines.ts';
import { judge } from './report/reach.ts';
import type { Results } from './report/results.ts';
import { writeReport } from './report/write-report.ts';
import { bestCellsOf } from './workloads/ceiling-search.ts';
import { PLAN } from './workloads/plan.ts';
import type { PlannedGroup } from './workloads/planned-group.ts';
import { FULL, QUICK } from './workloads/scale.ts';

/** Servers, schema, queues; and what a quick group takes. */
const START_SECONDS = 10;
const QUICK_GROUP_SECONDS = 8;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

process.exitCode = await main();

async function main(): Promise<number> {
  let given: Arguments;
  try {
    given = readArguments(PLAN.map(({ id }) => id));
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  const plan = PLAN.filter(({ id }) => given.only?.includes(id) ?? true);
  if (given.list) {
    for (const planned of plan) {
      console.log(`${planned.id.padEnd(16)} about ${duration(estimate(planned, given))}`);
    }
    return 0;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say('interrupted; cleaning up');
      interrupted.abort(new Error('interrupted'));
    });
  }
  const servers = await startServers({ log: say });
  let rig: Rig | undefined;
  try {
    rig = await Rig.open(servers, {
      signal: interrupted.signal,
      nodeArguments:
        given.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(given.profile)}`],
    });
    const results = await measure(rig, plan, given, servers.source);
    // Only what is complete and undisturbed is for keeping.
    const full = !given.quick && given.only === undefined && given.profile === undefined;
    const usual = full ? 'docs/benchmarks.md' : '.bench/benchmarks.md';
    const { report, raw } = await writeReport(results, given.output ?? join(packageRoot(), usual));
    if (given.json) console.log(JSON.stringify(results));
    else if (!given.quick) showGoals(results);
    say(`wrote ${report} and ${raw}`);
    return 0;
  } catch (error) {
    if (!interrupted.signal.aborted) console.error(error);
    return 1;
  } finally {
    await rig?.remove().catch((error: unknown) => say(`could not clean up: ${String(error)}`));
    await servers.stop();
  }
}

async function measure(
  rig: Rig,
  plan: readonly PlannedGroup[],
  given: Arguments,
  servers: ServersSource,
): Promise<Results> {
  const startedAt = performance.now();
  const environment = await readEnvironment(rig, servers);
  const total = plan.reduce((sum, planned) => sum + estimate(planned, given), START_SECONDS);
  const progress = new ProgressLines(total, say);
  const timeIsUp = (): boolean => performance.now() - startedAt > given.minutes * 60_000;
  const done = new Map<string, GroupResult>();
  for (const [position, planned] of plan.entries()) {
    const group = build(planned, rig, given, done);
    progress.begin(group, position + 1, plan.length);
    done.set(group.id, await runGroup(group, progress, { signal: rig.processes.signal, timeIsUp }));
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return { environment, quick: given.quick, seconds, groups: [...done.values()] };
}

function build(
  planned: PlannedGroup,
  rig: Rig,
  { quick, rounds }: Arguments,
  done: ReadonlyMap<string, GroupResult>,
): Group {
  const group = planned.build({
    rig,
    scale: quick ? QUICK : FULL,
    bestCells: (kind) => bestCellsOf(done, kind),
  });
  return rounds === undefined ? group : { ...group, rounds };
}

function estimate({ setUpSeconds, roundSeconds, rounds }: PlannedGroup, given: Arguments): number {
  if (given.quick) return QUICK_GROUP_SECONDS;
  const { rounds: usual, warmUp } = rounds(FULL);
  return setUpSeconds + roundSeconds * ((given.rounds ?? usual) + (warmUp ? 1 : 0));
}

function showGoals({ groups }: Results): void {
  for (const { what, goal, measured, verdict } of judge(groups)) {
    if (verdict !== 'not measured')
      console.log(`${verdict.padEnd(8)} ${measured.padStart(9)}  ${goal.padEnd(9)} ${what}`);
  }
}
