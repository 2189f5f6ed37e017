/** The limits of the wire contract, version 1. Everything a publisher sends is bounded by these. */

/** Longest `id` and `type`, in Unicode code points: the columns are VARCHAR(255), which counts characters. */
export const IDENTIFIER_CHARACTERS_MAX = 255;

/** Largest `version`, `epoch`, `ifVersion` and `nextRcseq`: 2^53-1, the largest integer every JSON reader keeps. */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

/** Largest frame of more than one command, in bytes. A single command may exceed it up to its document limit. */
export const FRAME_BYTES_MAX = 1_048_576;

/** Most commands in one frame. */
export const FRAME_COMMANDS_MAX = 1_000;

/** Largest document by default, in bytes; an operator may choose another. */
export const DOCUMENT_BYTES_DEFAULT = 1_048_576;

/** Largest document an operator may allow: RabbitMQ 4 refuses messages above 16 MiB, and the action line needs room. */
export const DOCUMENT_BYTES_MAX = 15 * 1_048_576;

/**
 * Deepest nesting of a document. PostgreSQL 15 with its default `max_stack_depth` of 2 MB stores 10,000 levels and
 * refuses 20,000 (54001); half of what was seen to work leaves room for other builds.
 */
export const DOCUMENT_DEPTH_MAX = 5_000;

/** Largest decimal exponent either way: beyond it a few bytes would be rendered by PostgreSQL as megabytes. */
export const NUMBER_EXPONENT_MAX = 1_000;

/** Most digits before and after the decimal point of a `numeric` (PostgreSQL manual, section 8.1.2). */
export const NUMBER_INTEGER_DIGITS_MAX = 131_072;
export const NUMBER_FRACTION_DIGITS_MAX = 16_383;

/** Largest part of a reply, in bytes; a longer reply is sent in several parts, cut between lines. */
export const REPLY_PART_BYTES_MAX = 4 * 1_048_576;

/** Most objects one `list` may ask for, and how many it gets when it does not say. */
export const LIST_LIMIT_MAX = 10_000;
export const LIST_LIMIT_DEFAULT = 100;

/** Number of shards, as in Goverse. Fixed for the life of every installation. */
export const SHARD_COUNT = 8_192;

/** Most partitions. A power of two up to this divides both the shards and the lock slots. */
export const PARTITION_COUNT_MAX = 64;

/** Number of lock slots, whatever the number of partitions is (DESIGN, "Slot lock"). */
export const LOCK_SLOT_COUNT = 64;
