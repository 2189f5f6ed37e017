/** The names of exchanges, queues and message properties, all derived from one prefix. */

/** The `type` property of a frame of commands. Another or none is `UNSUPPORTED_VERSION`. */
export const COMMANDS_TYPE = 'holdfast.commands.v1';
/** The `type` property of a reply. */
export const REPLIES_TYPE = 'holdfast.replies.v1';
/** The `content_type` of frames and replies. */
export const NDJSON_CONTENT_TYPE = 'application/x-ndjson';

/**
 * Header on a frame: which of its writes are answered. Loads always are; if nothing is left to say, nothing is sent. Without
 * it, or with a value that a worker does not know, every command is.
 */
export const REPLY_MODE_HEADER = 'holdfast-reply';
/** Only `fenced`, `conflict` and `rejected` writes. */
export const REPLY_MODE_FAILURES = 'failures';
/**
 * As `failures`, and `superseded` writes, except where the superseding version is one that the frame itself carries for
 * that object. A worker may also leave out those whose superseding version came with the same `reply_to`: their publisher
 * knows it. What is left was superseded by somebody else, unless the publisher recognises the version.
 */
export const REPLY_MODE_UNAPPLIED = 'unapplied';
/** Headers on every part of a reply: its number from 0, and whether it is the last. */
export const REPLY_PART_HEADER = 'holdfast-part';
export const REPLY_LAST_HEADER = 'holdfast-last';

export const DEFAULT_PREFIX = 'holdfast';

/** Queue names are AMQP short strings of at most 255 bytes; 64 leave room for every suffix. */
const PREFIX_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function isPrefix(value: string): boolean {
  return PREFIX_PATTERN.test(value);
}

/** Every broker name of one installation. */
export interface Names {
  readonly prefix: string;
  /** Direct exchange for commands; routing key `<N>.<partition>`. */
  readonly commandsExchange: string;
  /** Queue of unordered loads. */
  readonly loadsQueue: string;
  /** Fanout exchange and quorum queue of the same name. */
  readonly deadLetters: string;
  /** Fanout exchange on which workers announce themselves. */
  readonly workersExchange: string;
  /** What every reply queue must begin with, the dot included. */
  readonly repliesPrefix: string;
}

export function namesFor(prefix: string): Names {
  return {
    prefix,
    commandsExchange: `${prefix}.commands`,
    loadsQueue: `${prefix}.loads`,
    deadLetters: `${prefix}.dead-letters`,
    workersExchange: `${prefix}.workers`,
    repliesPrefix: `${prefix}.replies.`,
  };
}

export function routingKey(partitionCount: number, partition: number): string {
  return `${partitionCount}.${partition}`;
}

export function commandsQueue(names: Names, partitionCount: number, partition: number): string {
  return `${names.commandsExchange}.${partitionCount}.${partition}`;
}
