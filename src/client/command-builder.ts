/** From what a caller gives to a command that can be sent: checks, versions, epochs, lines. */
import { randomUUID } from 'node:crypto';
import { ContractError } from '../contract/errors.ts';
import { identifierFault } from '../contract/identifier.ts';
import { INTEGER_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from '../contract/limits.ts';
import { partitionOf } from '../contract/partition.ts';
import { schemaViolation, type TypeSchemas } from '../contract/type-schemas.ts';
import type { VersionClock } from '../contract/version-clock.ts';
import { deleteLine, listLine, loadLine, saveLine } from './action-line.ts';
import type { Call } from './call.ts';
import type { ClaimedEpochs } from './claimed-epochs.ts';
import type { DeleteInput, SaveInput } from './client-input.ts';
import { documentText } from './document-text.ts';
import type { FrameSender } from './frame-sender.ts';
import { Outgoing, type Wants } from './outgoing.ts';

export interface CommandBuilderOptions {
  readonly clock: VersionClock;
  readonly claims: ClaimedEpochs;
  readonly documentBytesMax: number;
  readonly schemas: TypeSchemas;
  /** One for each partition. */
  readonly partitions: readonly FrameSender[];
  /** For unordered loads and lists. */
  readonly loads: FrameSender;
}

export interface LoadInput {
  readonly id: string;
  readonly ordered: boolean;
  readonly document: boolean;
  readonly timeoutMs: number;
}

export interface ClaimInput {
  readonly id: string;
  readonly claimId: string | undefined;
  readonly epoch: number | undefined;
  readonly document: boolean;
  readonly timeoutMs: number;
}

export interface ListInput {
  readonly type: string;
  readonly after: string | undefined;
  readonly limit: number | undefined;
  readonly documents: boolean;
  readonly timeoutMs: number;
}

/** The longest delay of a timer in Node. */
const TIMER_MS_MAX = 2_147_483_647;

const UUID_PATTERN = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Every method throws a `ContractError` if the command would be rejected for what it is. */
export class CommandBuilder {
  readonly #options: CommandBuilderOptions;

  constructor(options: CommandBuilderOptions) {
    this.#options = options;
  }

  save(input: SaveInput, wants: Wants, call: Call, index: number): Outgoing {
    const { id, type, ifVersion, nextRcseq } = input;
    requireIdentifier('id', id);
    requireIdentifier('type', type);
    requireInteger('nextRcseq', nextRcseq, 0);
    const document = documentText(input.document, this.#options.documentBytesMax);
    const schema = this.#options.schemas.get(type);
    const violation = schema === undefined ? undefined : schemaViolation(schema, type, document);
    if (violation !== undefined) throw violation;
    const epoch = this.#epochOf(input);
    const version = this.#versionOf(input);
    const sender = this.#senderOf(id);
    const lines = sender.lines.write(saveLine({ id, type, version, epoch, ifVersion, nextRcseq }), document);
    const command = new Outgoing('save', id, wants, sender, lines, call, index);
    command.version = version;
    command.epoch = epoch;
    command.ifVersion = ifVersion;
    return command;
  }

  delete(input: DeleteInput, wants: Wants, call: Call, index: number): Outgoing {
    const { id, ifVersion } = input;
    requireIdentifier('id', id);
    const epoch = this.#epochOf(input);
    const version = this.#versionOf(input);
    const sender = this.#senderOf(id);
    const lines = sender.lines.write(deleteLine({ id, version, epoch, ifVersion }), undefined);
    const command = new Outgoing('delete', id, wants, sender, lines, call, index);
    command.version = version;
    command.epoch = epoch;
    command.ifVersion = ifVersion;
    return command;
  }

  load({ id, ordered, document, timeoutMs }: LoadInput, call: Call, index: number): Outgoing {
    requireIdentifier('id', id);
    const deadline = deadlineAfter(timeoutMs);
    const sender = ordered ? this.#senderOf(id) : this.#options.loads;
    const line = loadLine({ id, claim: undefined, epoch: 0, document, deadline });
    const command = new Outgoing(
      'load',
      id,
      'answer',
      sender,
      sender.lines.write(line, undefined),
      call,
      index,
    );
    command.expectsDocument = document;
    command.deadline = deadline;
    return command;
  }

  claim({ id, claimId = randomUUID(), epoch = 0, document, timeoutMs }: ClaimInput, call: Call): Outgoing {
    requireIdentifier('id', id);
    requireInteger('epoch', epoch, 0);
    if (typeof claimId !== 'string' || !UUID_PATTERN.test(claimId)) throw invalid('claimId: is not a UUID');
    this.#options.claims.requireRoom(id);
    const deadline = deadlineAfter(timeoutMs);
    const sender = this.#senderOf(id);
    const line = loadLine({ id, claim: claimId, epoch, document, deadline });
    const command = new Outgoing('load', id, 'answer', sender, sender.lines.write(line, undefined), call, 0);
    command.claimId = claimId;
    command.expectsDocument = document;
    command.deadline = deadline;
    return command;
  }

  list(input: ListInput, call: Call): Outgoing {
    const { type, after, limit = LIST_LIMIT_DEFAULT, documents, timeoutMs } = input;
    requireIdentifier('type', type);
    if (after !== undefined) requireIdentifier('after', after);
    requireInteger('limit', limit, 1, LIST_LIMIT_MAX);
    const deadline = deadlineAfter(timeoutMs);
    const sender = this.#options.loads;
    const line = listLine({ type, after, limit, documents, deadline });
    const command = new Outgoing(
      'list',
      type,
      'answer',
      sender,
      sender.lines.write(line, undefined),
      call,
      0,
    );
    command.limit = limit;
    command.expectsDocument = documents;
    command.deadline = deadline;
    return command;
  }

  #epochOf({ id, epoch }: DeleteInput): number {
    requireInteger('epoch', epoch, 0);
    return epoch ?? this.#options.claims.epochOf(id);
  }

  #versionOf({ id, version, ifVersion }: DeleteInput): number {
    const { clock } = this.#options;
    requireInteger('version', version, 1);
    requireInteger('ifVersion', ifVersion, 0);
    if (ifVersion !== undefined) clock.observe(id, ifVersion);
    if (version !== undefined) {
      clock.observe(id, version);
      return version;
    }
    try {
      return clock.next(id);
    } catch (cause) {
      throw new ContractError('INVALID_COMMAND', cause instanceof Error ? cause.message : String(cause), {
        cause,
      });
    }
  }

  #senderOf(id: string): FrameSender {
    const { partitions } = this.#options;
    return partitions[partitionOf(id, partitions.length)] as FrameSender;
  }
}

/** Also holds for the time that a write may take. */
export function requireTimeout(timeoutMs: number | undefined): void {
  requireInteger('timeoutMs', timeoutMs, 1, TIMER_MS_MAX);
}

function deadlineAfter(timeoutMs: number): number {
  requireTimeout(timeoutMs);
  return Date.now() + timeoutMs;
}

function requireIdentifier(name: string, value: unknown): void {
  const fault = typeof value === 'string' ? identifierFault(value) : 'is not a text';
  if (fault !== undefined) throw invalid(`${name}: ${fault}`);
}

function requireInteger(name: string, value: unknown, min: number, max = INTEGER_MAX): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw invalid(`${name}: is not an integer from ${min} to ${max}`);
}

function invalid(message: string): ContractError {
  return new ContractError('INVALID_COMMAND', message);
}
