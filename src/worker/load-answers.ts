/**
 * Reads objects for loads, many at a time, and makes their answers. What is read at once is bounded by what the last
 * documents weighed; a read that fails for what is stored is halved down to the one object that cannot be read.
 */
import { ContractError } from '../contract/errors.ts';
import { DOCUMENT_BYTES_MAX } from '../contract/limits.ts';
import type { ReplyItem } from '../contract/reply.ts';
import type { LoadedObject, LoadWanted, ReadSession } from '../store/store.ts';
import { StoreError, toStoreError } from '../store/store-error.ts';

/** Most objects read by one statement. */
const READ_OBJECTS_MAX = 1_000;
/** How much the last statement counts in the running mean of document sizes. */
const MEAN_WEIGHT = 0.25;

/** Either the object, or why it cannot be read. */
export type ReadResult = LoadedObject | StoreError;

export class ObjectReader {
  readonly #replyBytesMax: number;
  /** Bytes of the documents read lately, per object; starts at the largest that is common. */
  #meanBytes = 16_384;

  constructor(replyBytesMax: number) {
    this.#replyBytesMax = replyBytesMax;
  }

  /**
   * Reads all wanted objects, a bounded number at a time, and hands each part over as it comes.
   *
   * @throws StoreError of any class but `row`, if the database cannot be read; parts handed over stay valid.
   */
  async read(
    session: ReadSession,
    wanted: readonly LoadWanted[],
    onRead: (index: number, result: ReadResult) => void,
  ): Promise<void> {
    let at = 0;
    while (at < wanted.length) {
      const count = Math.max(
        1,
        Math.min(READ_OBJECTS_MAX, Math.floor(this.#replyBytesMax / this.#meanBytes)),
      );
      const first = at;
      const part = wanted.slice(first, first + count);
      await this.#readPart(session, part, (index, result) => onRead(first + index, result));
      at += part.length;
    }
  }

  async #readPart(
    session: ReadSession,
    part: readonly LoadWanted[],
    onRead: (index: number, result: ReadResult) => void,
  ): Promise<void> {
    let objects: LoadedObject[];
    try {
      objects = await session.load(part);
    } catch (error) {
      const storeError = toStoreError(error);
      if (!isOfOneObject(storeError)) throw storeError;
      if (part.length === 1) {
        onRead(0, storeError);
        return;
      }
      const middle = Math.ceil(part.length / 2);
      await this.#readPart(session, part.slice(0, middle), onRead);
      await this.#readPart(session, part.slice(middle), (index, result) => onRead(middle + index, result));
      return;
    }
    let bytes = 0;
    for (const [index, object] of objects.entries()) {
      bytes += object.document?.length ?? 0;
      onRead(index, object);
    }
    this.#meanBytes += MEAN_WEIGHT * (Math.max(1, bytes / objects.length) - this.#meanBytes);
  }
}

/** Whether a read failed for what is stored: a value too large to render, or a damaged row; data_corrupted and index_corrupted are the only such of class XX. */
export function isOfOneObject(error: StoreError): boolean {
  return error.failure === 'row' || error.sqlstate === 'XX001' || error.sqlstate === 'XX002';
}

/**
 * The answer to a load.
 *
 * @param claimedEpoch the epoch a claim was given; it stands in the answer even if a later claim raised it further.
 */
export function loadAnswer(object: LoadedObject, claimedEpoch?: number): ReplyItem {
  const { id, version } = object;
  const epoch = claimedEpoch ?? object.epoch;
  if (!object.live) return { line: { id, outcome: 'absent', version, epoch } };
  const { type = '', nextRcseq = 0, document } = object;
  return { line: { id, outcome: 'found', type, version, epoch, nextRcseq }, document };
}

/** Why a load cannot be answered with what was read; `undefined` if it can. */
export function refusedRead(
  result: ReadResult,
): { error: ContractError; storeError?: StoreError } | undefined {
  if (result instanceof StoreError) return { error: unreadable(result), storeError: result };
  if (Buffer.byteLength(result.document ?? '') <= REPLY_DOCUMENT_BYTES_MAX) return undefined;
  return {
    error: new ContractError('UNSTORABLE', 'the object as PostgreSQL renders it is too large for a message'),
  };
}

/**
 * RabbitMQ 4 refuses messages above 16 MiB and closes the channel over them. jsonb renders 1e1000 with a thousand
 * digits, so a document may come back far larger than it was stored.
 */
const REPLY_DOCUMENT_BYTES_MAX = DOCUMENT_BYTES_MAX;

/** Why a load is rejected whose object the database cannot render. */
export function unreadable(error: StoreError): ContractError {
  return new ContractError('UNSTORABLE', `PostgreSQL cannot read the object: ${error.message}`, {
    cause: error,
  });
}

/** Why a load is rejected that nobody waits for any more. */
export function expired(): ContractError {
  return new ContractError('EXPIRED', 'the deadline of the load has passed');
}

export function isExpired(deadline: number | undefined): boolean {
  return deadline !== undefined && Date.now() > deadline;
}
