/** One delivery of a partition on its way through the pipeline: bytes, then entries, then an answer for each. */
import type { Delivery } from '../broker/queue-consumer.ts';
import type { LoadCommand, PartitionCommand } from '../contract/command.ts';
import { ContractError } from '../contract/errors.ts';
import { decodeFrame, type Entry } from '../contract/frame.ts';
import { lockSlotOf, partitionOfShard, shardOf } from '../contract/partition.ts';
import type { ReplyItem, ReplyLine } from '../contract/reply.ts';
import { schemaViolation, type TypeSchemas } from '../contract/type-schemas.ts';
import type { StoreError } from '../store/store-error.ts';
import type { BatchCommand } from './batch-command.ts';

/** Why a command, or a whole frame, was rejected. */
export interface Rejection {
  readonly error: ContractError;
  /** Set where it was the database that refused. */
  readonly storeError?: StoreError | undefined;
  readonly attempts?: number | undefined;
}

/** What is replied to a command. */
export interface Answer extends ReplyItem {
  /** It was superseded by a version that the same requester sent. */
  known?: boolean;
}

/** One command of a frame. */
export interface WorkEntry {
  readonly entry: Entry<PartitionCommand>;
  /** Lock slot of the object; `undefined` where no valid command names one. */
  readonly slot: number | undefined;
  /** Set for writes and claims: what the batch decides about. */
  readonly item: BatchCommand | undefined;
  /** Set for loads, claims included: what is read after the commit. */
  readonly load: LoadCommand | undefined;
  /** The answer, set exactly once; with the document of a found load. */
  line: ReplyLine | undefined;
  document: string | undefined;
  /** It was superseded by a version that the same requester sent. */
  known: boolean;
  /** The epoch a claim was given, once that is committed. */
  claimedEpoch: number | undefined;
  rejection: Rejection | undefined;
}

/** From how many returns to its queue on a frame is a suspect. */
const SUSPECT_RETURNS_MIN = 5;

/** What a frame is read with. */
export interface Decoding {
  readonly documentBytesMax: number;
  /** Of the types whose documents are validated. */
  readonly schemas: TypeSchemas;
}

export interface PartitionKey {
  readonly partitionCount: number;
  readonly partition: number;
}

export class WorkFrame {
  readonly delivery: Delivery;
  readonly key: PartitionKey;
  /** One for each command; empty before `decode`, and where the whole frame was rejected. */
  entries: readonly WorkEntry[] = [];
  /** Set where the whole frame was rejected. */
  rejection: Rejection | undefined;
  /** A connection was lost while a transaction with it was under way: it may have been applied already. */
  ambiguous = false;
  /** How often rows of its batch did not go through their guard. */
  guardMisses = 0;
  /** Of a suspect: to be worked on by itself, since workers ended over it, or it did not get through with others. */
  alone = false;
  /** Its commands stand in the number of those in flight. */
  counted = false;
  #decoded = false;

  constructor(delivery: Delivery, key: PartitionKey) {
    this.delivery = delivery;
    this.key = key;
  }

  /** Commands that this frame counts as; a rejected frame counts as one. */
  get commandCount(): number {
    return this.rejection === undefined ? this.entries.length : 1;
  }

  /** Whether it has come back so often that workers may die of it (suspects.ts). It is not read before that is written down. */
  get suspect(): boolean {
    return this.delivery.returns >= SUSPECT_RETURNS_MIN;
  }

  /** Rejects the frame as a whole, unread. */
  condemn(rejection: Rejection): void {
    this.#decoded = true;
    this.rejection = rejection;
  }

  /** Reads the frame. Safe twice. */
  decode({ documentBytesMax, schemas }: Decoding): void {
    if (this.#decoded) return;
    this.#decoded = true;
    try {
      const { type, body } = this.delivery;
      const entries = decodeFrame(type, body, { place: 'partition', documentBytesMax });
      this.entries = entries.map((entry) => toWorkEntry(entry, body, this.key, schemas));
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      this.rejection = { error };
    }
  }
}

function toWorkEntry(
  entry: Entry<PartitionCommand>,
  body: Buffer,
  key: PartitionKey,
  schemas: TypeSchemas,
): WorkEntry {
  if (entry.rejected !== undefined) {
    return rejected(entry, entry.rejected.error);
  }
  const command = entry.command;
  const shard = shardOf(command.id);
  if (partitionOfShard(shard, key.partitionCount) !== key.partition) {
    const own = `${key.partitionCount}.${partitionOfShard(shard, key.partitionCount)}`;
    return rejected(entry, new ContractError('WRONG_PARTITION', `the object belongs into partition ${own}`));
  }
  const slot = lockSlotOf(shard);
  switch (command.action) {
    case 'save': {
      const { id, type, version, epoch, nextRcseq = 0 } = command;
      const { documentStart, documentEnd } = entry;
      const schema = schemas.get(type);
      if (schema !== undefined) {
        const error = schemaViolation(schema, type, body.toString('utf8', documentStart, documentEnd));
        if (error !== undefined) return rejected(entry, error);
      }
      const row = { id, type, version, epoch, nextRcseq, body, documentStart, documentEnd };
      return workEntry(entry, slot, { command, row, slot }, undefined);
    }
    case 'delete':
      return workEntry(entry, slot, { command, slot }, undefined);
    case 'load': {
      const { claim } = command;
      const item = claim === undefined ? undefined : { command: { ...command, claim }, slot };
      return workEntry(entry, slot, item, command);
    }
    default:
      return command satisfies never;
  }
}

function rejected(entry: Entry<PartitionCommand>, error: ContractError): WorkEntry {
  const work = workEntry(entry, undefined, undefined, undefined);
  reject(work, { error });
  return work;
}

/** Written out, so that all have one shape: there are thousands in each batch. */
function workEntry(
  entry: WorkEntry['entry'],
  slot: WorkEntry['slot'],
  item: WorkEntry['item'],
  load: WorkEntry['load'],
): WorkEntry {
  return {
    entry,
    slot,
    item,
    load,
    line: undefined,
    document: undefined,
    known: false,
    claimedEpoch: undefined,
    rejection: undefined,
  };
}

/** Rejects a command: its answer, and the reason for its dead letter. */
export function reject(
  work: Pick<WorkEntry, 'line' | 'rejection'> & { readonly entry: Entry },
  rejection: Rejection,
): void {
  work.line = rejectionLine(work.entry, rejection.error);
  work.rejection = rejection;
}

/** The answer to a rejected command, with its id where one could be read. */
function rejectionLine({ command, rejected: invalid }: Entry, { code, message }: ContractError): ReplyLine {
  const subject = command ?? invalid;
  const id = subject !== undefined && 'id' in subject ? subject.id : undefined;
  return { ...(id === undefined ? {} : { id }), outcome: 'rejected', code, message };
}
