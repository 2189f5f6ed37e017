/**
 * Reads objects for loads, many at a time, and makes their answers. What is read at once is bounded by the statement
 * itself; a read that fails for what is stored is halved down to the one object that cannot be read.
 */
import { ContractError } from '../contract/errors.ts';
import { DOCUMENT_BYTES_MAX } from '../contract/limits.ts';
import type { ReplyItem } from '../contract/reply.ts';
import type { LoadedObject, LoadWanted, ReadSession } from '../store/store.ts';
import { StoreError, storeErrorOf } from '../store/store-error.ts';

/** Most objects read by one statement. */
const READ_OBJECTS_MAX = 1_000;
/** How much the last statement counts in the running mean of document sizes. */
const MEAN_WEIGHT = 0.25;

/** Either the object, or why it cannot be read. */
export type ReadResult = LoadedObject | StoreError;

export class ObjectReader {
  readonly bytesMax: number;
  /** Bytes of the documents read lately, per object; starts at the largest that is common. */
  #meanBytes = 16_384;

  /** @param bytesMax most bytes of documents read by one statement, as PostgreSQL renders them; one may be larger. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * Reads all wanted objects, a bounded number at a time and each id once at a time, and hands over what comes.
   *
   * The mean only saves the database work: what it renders beyond the bound is thrown away. The bound is held in SQL.
   *
   * @param beforeNext awaited before each statement but the first: room may have to be made for what it reads.
   * @throws StoreError of any class but `row`, if the database cannot be read; parts handed over stay valid.
   */
  async read(
    session: ReadSession,
    wanted: readonly LoadWanted[],
    onRead: (index: number, result: ReadResult) => void,
    beforeNext: () => Promise<void> = async () => {},
  ): Promise<void> {
    let left = askersOf(wanted);
    for (let first = true; left.length > 0; first = false) {
      if (!first) await beforeNext();
      const count = Math.max(1, Math.min(READ_OBJECTS_MAX, Math.floor(this.bytesMax / this.#meanBytes)));
      const part = left.slice(0, count);
      const answer = (asked: Asked, result: ReadResult): void => {
        for (const index of asked.indices) onRead(index, resultFor(wanted[index], result));
      };
      const unread = await this.#readPart(session, part, answer, beforeNext);
      left = [...unread, ...left.slice(count)];
    }
  }

  /** Returns those for which there was no room. */
  async #readPart(
    session: ReadSession,
    part: readonly Asked[],
    onRead: (asked: Asked, result: ReadResult) => void,
    beforeNext: () => Promise<void>,
  ): Promise<Asked[]> {
    let objects: LoadedObject[];
    try {
      objects = await session.load(part, {
        bytesMax: this.bytesMax,
        documentBytesMax: REPLY_DOCUMENT_BYTES_MAX,
      });
    } catch (error) {
      const storeError = storeErrorOf(error);
      const [only, ...more] = part;
      if (only === undefined || !(isOfOneObject(storeError) || (isTooMuch(storeError) && more.length > 0))) {
        throw storeError;
      }
      if (more.length === 0) {
        onRead(only, storeError);
        return [];
      }
      const middle = Math.ceil(part.length / 2);
      const unread = await this.#readPart(session, part.slice(0, middle), onRead, beforeNext);
      await beforeNext();
      return [...unread, ...(await this.#readPart(session, part.slice(middle), onRead, beforeNext))];
    }
    let bytes = 0;
    let read = 0;
    const unread: Asked[] = [];
    for (const [index, object] of objects.entries()) {
      const asked = part[index];
      if (asked === undefined) continue;
      if (object.lacks === 'room') {
        unread.push(asked);
        continue;
      }
      bytes += object.document?.length ?? 0;
      read += 1;
      onRead(asked, object);
    }
    const mean = Math.max(1, bytes / Math.max(1, read));
    // What was thrown away was rendered for nothing: once is enough.
    const weight = unread.length > 0 ? 1 : MEAN_WEIGHT;
    this.#meanBytes += weight * (mean - this.#meanBytes);
    return unread;
  }
}

/** One id, and who asks for it. */
interface Asked extends LoadWanted {
  document: boolean;
  readonly indices: number[];
}

function askersOf(wanted: readonly LoadWanted[]): Asked[] {
  const byId = new Map<string, Asked>();
  for (const [index, { id, document }] of wanted.entries()) {
    const asked = byId.get(id);
    if (asked === undefined) {
      byId.set(id, { id, document, indices: [index] });
    } else {
      asked.indices.push(index);
      asked.document ||= document;
    }
  }
  return [...byId.values()];
}

/** To one who did not ask for the document it is the same as if nobody had. */
function resultFor(wanted: LoadWanted | undefined, result: ReadResult): ReadResult {
  if (wanted?.document === true || result instanceof StoreError) return result;
  return { ...result, document: undefined, lacks: undefined };
}

/** Cancelled by statement_timeout: fewer may be read in time. */
function isTooMuch({ sqlstate }: StoreError): boolean {
  return sqlstate === '57014';
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
  if (result.lacks !== 'size') return undefined;
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
