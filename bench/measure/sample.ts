/** What one measurement of one contender gives. */

/** CPU seconds by component; what is not known, or took no part, is left out. */
export interface CpuSeconds {
  /** The process that is measured: the worker in drains, else the contender's own. */
  readonly process?: number | undefined;
  /** The worker, where the process is a node that it serves. */
  readonly worker?: number | undefined;
  readonly broker?: number | undefined;
  readonly database?: number | undefined;
}

export interface Sample {
  readonly count: number;
  readonly seconds: number;
  readonly cpu: CpuSeconds;
  readonly peakMemoryBytes?: number | undefined;
  readonly latencyMs?: { readonly median: number; readonly p99: number } | undefined;
}

export interface Contender {
  readonly name: string;
  /** What it writes or calls, for the table; what does not differ between contenders may be left out. */
  readonly note?: string;
  readonly measure: () => Promise<Sample>;
}

/** Contenders that are measured side by side, in turns. */
export interface Group {
  readonly id: string;
  readonly title: string;
  /** One or two sentences: what is measured, on what. */
  readonly about: string;
  /** What one of `count` is: a command, a message, a load. */
  readonly unit: string;
  readonly rounds: number;
  /** Whether a first round is thrown away. */
  readonly warmUp: boolean;
  readonly contenders: readonly Contender[];
  readonly setUp?: () => Promise<void>;
  /** Called whatever happened, after `setUp` has begun. */
  readonly tearDown?: () => Promise<void>;
}

export interface ContenderResult {
  readonly name: string;
  readonly note?: string | undefined;
  readonly samples: readonly Sample[];
}

export interface GroupResult extends Omit<Group, 'contenders' | 'setUp' | 'tearDown'> {
  readonly contenders: readonly ContenderResult[];
}
