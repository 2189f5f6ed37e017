/** Builds batch commands, and runs one batch of them through decision and store as a writer does. */
import { lockSlotOf, shardOf } from '../../src/contract/partition.ts';
import { type ClaimKey, RowsRefusedError, type WriteSession } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { type BatchCommand, isClaim, isSave, type Verdict } from '../../src/worker/batch-command.ts';
import { type BatchDecision, decideBatch } from '../../src/worker/decide.ts';

export interface SaveFields {
  readonly version: number;
  readonly epoch?: number;
  readonly ifVersion?: number | undefined;
  readonly nextRcseq?: number | undefined;
  readonly type?: string;
}

const slotOf = (id: string): number => lockSlotOf(shardOf(id));

export function save(id: string, document: string, fields: SaveFields): BatchCommand {
  const { version, epoch = 0, ifVersion, nextRcseq, type = 'T' } = fields;
  const body = Buffer.from(document);
  return {
    command: { action: 'save', id, type, version, epoch, ifVersion, nextRcseq },
    row: {
      id,
      type,
      version,
      epoch,
      nextRcseq: nextRcseq ?? 0,
      body,
      documentStart: 0,
      documentEnd: body.length,
    },
    slot: slotOf(id),
  };
}

export function remove(id: string, fields: Omit<SaveFields, 'nextRcseq' | 'type'>): BatchCommand {
  const { version, epoch = 0, ifVersion } = fields;
  return { command: { action: 'delete', id, version, epoch, ifVersion }, slot: slotOf(id) };
}

export function claim(id: string, claimId: string, proposed = 0): BatchCommand {
  const command = { action: 'load', id, claim: claimId, epoch: proposed, document: true } as const;
  return { command: { ...command, deadline: undefined }, slot: slotOf(id) };
}

export type Outcome = Verdict | { readonly outcome: 'rejected' };

/**
 * Outcomes by command, in no particular order; commands in held slots have none.
 *
 * @param presumes whether the session may write plain saves without reading what is stored.
 */
export async function runBatch(
  session: WriteSession,
  commands: readonly BatchCommand[],
  presumes = false,
): Promise<{ outcomes: Map<BatchCommand, Outcome>; heldSlots: ReadonlySet<number> }> {
  const objects = new Map<string, BatchCommand[]>();
  for (const item of commands) {
    const { id } = item.command;
    objects.set(id, [...(objects.get(id) ?? []), item]);
  }
  const claims = commands.flatMap((item): ClaimKey[] =>
    isClaim(item) ? [{ id: item.command.id, claim: item.command.claim }] : [],
  );
  const plain = [...objects.values()].flatMap(([first, ...more]) =>
    presumes &&
    first !== undefined &&
    isSave(first) &&
    first.command.ifVersion === undefined &&
    more.length === 0
      ? [first]
      : [],
  );
  const others = new Map(objects);
  for (const { command } of plain) others.delete(command.id);
  const refused = new Set<BatchCommand>();
  let isolate = false;
  for (;;) {
    let decided: BatchDecision | undefined;
    try {
      const presumable = plain.filter((item) => !refused.has(item));
      const {
        heldSlots,
        refused: refusedRows,
        presumed,
      } = await session.write({
        slots: [...new Set(commands.map(({ slot }) => slot))].toSorted((a, b) => a - b),
        presumable: presumable.map(({ row }) => row),
        ids: [...others.keys()],
        claims,
        candidates: [...others.values()].flatMap((items) => {
          const last = items.findLast((item) => !isClaim(item) && !refused.has(item));
          return last !== undefined && isSave(last) ? [last.row] : [];
        }),
        decide: (snapshot, withoutPlain) => {
          decided = decideBatch(withoutPlain ? others : objects, snapshot, refused);
          return decided.decision;
        },
        isolate,
      });
      const outcomes = new Map<BatchCommand, Outcome>(decided?.verdicts);
      if (presumed) {
        for (const item of presumable) {
          const { version, epoch } = item.command;
          outcomes.set(item, { outcome: 'applied', version, epoch });
        }
      }
      for (const { row } of refusedRows) {
        const owner = decided?.owners.get(row);
        if (owner !== undefined) refused.add(owner);
      }
      for (const item of refused) outcomes.set(item, { outcome: 'rejected' });
      return { outcomes, heldSlots };
    } catch (error) {
      if (error instanceof RowsRefusedError) {
        for (const { row } of error.refused) {
          const owner = decided?.owners.get(row);
          if (owner !== undefined) refused.add(owner);
        }
        isolate = false;
      } else if (error instanceof StoreError && error.failure === 'row' && !isolate) {
        isolate = true;
      } else {
        throw error;
      }
    }
  }
}
