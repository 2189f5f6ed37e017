/** What a batch decides about: writes and claims, with what the decision needs at hand. */
import type { DeleteCommand, LoadCommand, SaveCommand } from '../contract/command.ts';
import type { ObjectRow } from '../store/store.ts';

export interface BatchSave {
  readonly command: SaveCommand;
  /** The row as it is written if nothing is folded into it. */
  readonly row: ObjectRow;
  readonly slot: number;
}

interface BatchDelete {
  readonly command: DeleteCommand;
  readonly row?: undefined;
  readonly slot: number;
}

export interface BatchClaim {
  readonly command: LoadCommand & { readonly claim: string };
  readonly row?: undefined;
  readonly slot: number;
}

export type BatchWrite = BatchSave | BatchDelete;
export type BatchCommand = BatchWrite | BatchClaim;

export function isClaim(item: BatchCommand): item is BatchClaim {
  return item.command.action === 'load';
}

export function isSave(item: BatchCommand): item is BatchSave {
  return item.command.action === 'save';
}

/** What the database decided about a command, valid once the transaction has committed. */
export type Verdict =
  /** The stored version and epoch behind this command. */
  | {
      readonly outcome: 'applied' | 'superseded' | 'fenced' | 'conflict';
      readonly version: number;
      readonly epoch: number;
    }
  /** The epoch this claim was given. */
  | { readonly outcome: 'claimed'; readonly epoch: number }
  /** The object has no epoch left to give. */
  | { readonly outcome: 'exhausted' };
