/** The child's side of a contender: sets up once, then runs what it is asked, and tells time and CPU of each run. */

export interface RunResult {
  /** Commands, messages or calls done. */
  readonly count: number;
  /** One for each, where latency is what is measured. */
  readonly latenciesMs?: readonly number[];
}

export interface RunReport extends RunResult {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export type ChildMessage = { readonly ready: true } | { readonly report: RunReport };

/** The first message of the parent is the setup, each further one a run; its end is ours. */
export function serve(prepare: (setup: never) => Promise<(run: never) => Promise<RunResult>>): void {
  let run: ((run: never) => Promise<RunResult>) | undefined;
  const handle = async (message: unknown): Promise<void> => {
    if (run === undefined) {
      run = await prepare(message as never);
      tell({ ready: true });
      return;
    }
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    const result = await run(message as never);
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    tell({ report: { ...result, seconds, cpuSeconds: (user + system) / 1e6 } });
  };
  process.on('message', (message) => {
    handle(message).catch((error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
  process.on('disconnect', () => process.exit(0));
}

function tell(message: ChildMessage): void {
  process.send?.(message);
}
