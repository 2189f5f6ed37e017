/** What a node process is told, and what it says. */
import type { Ownership } from '../workload/objects.ts';

export interface NodeConfig {
  /** Number of the process in the history. */
  readonly process: number;
  readonly name: string;
  readonly amqpUrl: string;
  readonly prefix: string;
  readonly partitions: number;
  readonly seed: number;
  readonly objects: number;
  readonly ownership: Ownership;
  /** Where its events go. */
  readonly eventsFile: string;
  /** Commands that may be under way; the pace follows from it. */
  readonly pendingMax: number;
  /** Commands a second; no more are begun. */
  readonly rateMax: number;
}

/** From the harness. */
export type NodeOrder =
  | { readonly do: 'start'; readonly config: NodeConfig }
  /** Begin nothing more until told to resume. */
  | { readonly do: 'hold' | 'resume' }
  | { readonly do: 'finish' };

export interface NodeCounts {
  readonly issued: number;
  readonly confirmed: number;
  readonly answered: number;
  readonly replayed: number;
  readonly sentTwice: number;
  /** By outcome; `unknown` and failed loads included. */
  readonly outcomes: Readonly<Record<string, number>>;
}

/** To the harness. */
export type NodeReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'counts'; readonly counts: NodeCounts }
  | {
      readonly kind: 'finished';
      readonly counts: NodeCounts;
      /** What was never settled, in words. */
      readonly unsettled: readonly string[];
      readonly malformedReplies: readonly string[];
    };
