/** What the demo does, and how much of it. */

export const PARTITIONS = 16;
export const NODES = 3;
export const WORKERS = 2;
export const USERS_PER_NODE = 2_000;
export const ROOMS_PER_NODE = 100;
/** Saves, deletes and loads of each node. */
export const OPERATIONS_PER_NODE = 20_000;
export const OPERATIONS = NODES * OPERATIONS_PER_NODE;
/** Of a hundred operations of a node. */
export const DELETES_PERCENT = 5;
export const LOADS_PERCENT = 5;
/** Operations that a node has under way at once, as a node does that serves many callers. */
export const CONCURRENT_OPERATIONS = 256;

/** What a node tells the demo. */
export type NodeMessage =
  | { readonly kind: 'progress'; readonly done: number }
  | { readonly kind: 'report'; readonly report: NodeReport };

export interface NodeReport {
  readonly node: string;
  readonly saves: number;
  readonly deletes: number;
  readonly loads: number;
  /** Loads that returned something older than what the node had confirmed before. */
  readonly staleLoads: number;
  /** Writes that failed, as their error codes. */
  readonly failures: readonly string[];
  /** What the node last had confirmed of each of its objects. */
  readonly objects: readonly ConfirmedObject[];
}

export interface ConfirmedObject {
  readonly id: string;
  readonly version: number;
  /** `undefined` if it was deleted. */
  readonly document: string | undefined;
}
