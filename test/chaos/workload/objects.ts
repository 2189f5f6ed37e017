/** The objects of a run: their ids, how each is used, and who owns it when. */
import { subSeed } from './random.ts';

/**
 * `owned`: claimed by its owner, which changes; the former owner may go on writing. `shared`: several nodes write it
 * blindly. `compared`: several nodes write it with `ifVersion`.
 */
export type ObjectUse = 'owned' | 'shared' | 'compared';

/** Objects that take a fifth of all commands. */
export const HOT_COUNT = 64;
export const HOT_SHARE = 0.2;

/** Ids in all forms that the contract allows: plain, with a fixed shard, beyond ASCII and beyond 16 bits. */
export function objectId(object: number): string {
  switch (object % 16) {
    case 3:
      return `shard#${object % 8_192}/room-${object}`;
    case 7:
      return `Größe-漢字-😀-${object}`;
    case 11:
      return `"quoted" \\ id-${object}`;
    default:
      return `user-${object}`;
  }
}

/** The number of an object; `undefined` if the id is none of ours. */
export function objectOf(id: string): number | undefined {
  const digits = /(?:^|[^0-9])([0-9]+)$/.exec(id)?.[1];
  if (digits === undefined) return undefined;
  const object = Number(digits);
  return objectId(object) === id ? object : undefined;
}

export function objectType(object: number): string {
  return ['UserProfile', 'ChatRoom', 'Inventory'][object % 3] ?? 'UserProfile';
}

export function useOf(object: number): ObjectUse {
  const use = object % 10;
  if (use < 6) return 'owned';
  return use < 9 ? 'shared' : 'compared';
}

/** An object of the same ten that is `shared`. */
export function sharedNear(object: number): number {
  return object - (object % 10) + 6 + (object % 3);
}

/** Objects move in groups, as shards do. */
const GROUPS = 32;

export interface Ownership {
  readonly seed: number;
  /** Object nodes, numbered from 0. */
  readonly nodes: number;
  /** When the run began, in microseconds of the clock. */
  readonly startedAtUs: number;
  /** How often the groups move. */
  readonly moveIntervalMs: number;
}

/** Which of all moves the present one is. */
export function moveAt({ startedAtUs, moveIntervalMs }: Ownership, atUs: number): number {
  return Math.max(0, Math.floor((atUs - startedAtUs) / 1_000 / moveIntervalMs));
}

/** The node that owns an object after a move. A quarter of the groups moves each time. */
export function ownerAt({ seed, nodes }: Ownership, object: number, move: number): number {
  const group = object % GROUPS;
  return subSeed(seed, group, Math.floor((move + group) / 4)) % nodes;
}

/** Whether the former owner of an object does not notice the move, and goes on writing. */
export function isZombieAt(ownership: Ownership, node: number, object: number, move: number): boolean {
  const { seed } = ownership;
  if (move === 0 || ownerAt(ownership, object, move) === node) return false;
  const former = [1, 2].some((back) => move >= back && ownerAt(ownership, object, move - back) === node);
  return former && subSeed(seed, object % GROUPS, move, node) % 2 === 0;
}
