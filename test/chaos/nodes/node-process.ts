/** The frame of every node process: takes its orders, reports its counts, ends with the harness. */
import type { NodeConfig, NodeOrder, NodeReport } from './node-config.ts';
import type { Recorder } from './recorder.ts';

export interface NodeProgram {
  readonly recorder: Recorder;
  /** Issues commands until told to finish. */
  readonly run: () => Promise<void>;
  readonly hold: (held: boolean) => void;
  readonly finish: () => Promise<{ unsettled: readonly string[]; malformedReplies: readonly string[] }>;
}

const REPORT_INTERVAL_MS = 500;

function say(report: NodeReport): void {
  if (process.connected) process.send?.(report);
}

function crash(error: unknown): void {
  console.error(error);
  process.exit(1);
}

/** Runs a program as a child of the harness. */
export function runNode(open: (config: NodeConfig) => Promise<NodeProgram>): void {
  let program: NodeProgram | undefined;
  process.on('disconnect', () => process.exit(1));
  // Ctrl-C in a terminal reaches every process; the harness decides what becomes of us.
  process.on('SIGINT', () => undefined);
  process.on('message', (order: NodeOrder) => {
    if (order.do === 'start') {
      void open(order.config)
        .then((opened) => {
          program = opened;
          say({ kind: 'ready' });
          setInterval(
            () => say({ kind: 'counts', counts: opened.recorder.counts }),
            REPORT_INTERVAL_MS,
          ).unref();
          return opened.run();
        })
        .catch(crash);
      return;
    }
    if (order.do === 'hold' || order.do === 'resume') {
      program?.hold(order.do === 'hold');
      return;
    }
    const { recorder } = program ?? {};
    if (program === undefined || recorder === undefined) process.exit(1);
    void program
      .finish()
      .then(({ unsettled, malformedReplies }) => {
        recorder.close();
        process.send?.(
          { kind: 'finished', counts: recorder.counts, unsettled, malformedReplies } satisfies NodeReport,
          () => process.exit(0),
        );
      })
      .catch(crash);
  });
}
