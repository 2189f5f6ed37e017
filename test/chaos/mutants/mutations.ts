/**
 * Ways to break a worker, one promise each: texts of built modules and what replaces them at load time. A text that is
 * not found fails the load, so that a mutation cannot quietly become none.
 */

export interface Edit {
  /** Below `dist/`. */
  readonly module: string;
  readonly find: string;
  readonly replace: string;
}

const VERSION_GUARD = 'o.version < given.version';
const EPOCH_GUARD = 'o.epoch <= given.epoch AND ';
const DECIDE_START = 'decide(commands, refused) {';

export const MUTATIONS = {
  'guard removed': [
    { module: 'worker/decide.js', find: 'else if (version < this.#version) {', replace: 'else if (false) {' },
    { module: 'store/update-objects.js', find: VERSION_GUARD, replace: 'true' },
  ],
  'guard of presumed saves removed': [
    { module: 'store/upsert-objects.js', find: VERSION_GUARD, replace: 'true' },
  ],
  'presumed saves pass tombstones': [
    {
      module: 'store/upsert-objects.js',
      find: 'AND NOT EXISTS (SELECT FROM holdfast_tombstones t WHERE t.object_id = sent.object_id)',
      replace: '',
    },
  ],
  'claims ignored': [
    { module: 'worker/decide.js', find: 'if (epoch < this.#epoch) {', replace: 'if (false) {' },
    { module: 'store/update-objects.js', find: EPOCH_GUARD, replace: '' },
  ],
  'ack before commit': [
    {
      module: 'worker/partition-consumer.js',
      find: 'this.#unsettled.add(frame);',
      replace: 'this.#unsettled.add(frame); frame.delivery.settle();',
    },
  ],
  'slot lock removed': [
    {
      module: 'store/lock-slots.js',
      find: 'export async function lockSlots(connection, slots) {',
      replace: 'export async function lockSlots(connection, slots) { return new Set();',
    },
    {
      module: 'store/begin-with-slots.js',
      find: 'export async function beginWithSlots(connection, slots) {',
      replace: `export async function beginWithSlots(connection, slots) {
        await connection.query({ text: 'BEGIN' });
        return new Set();`,
    },
    {
      module: 'store/upsert-at-once.js',
      find: 'IF NOT pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, wanted_slot) THEN RETURN; END IF;',
      replace: 'NULL;',
    },
  ],
  'tombstones dropped': [
    {
      module: 'store/upsert-tombstones.js',
      find: 'export async function upsertTombstones(connection, rows) {',
      replace: 'export async function upsertTombstones(connection, rows) { return rows.length;',
    },
  ],
  'fold drops the older when the newer is unstorable': [
    {
      module: 'worker/decide.js',
      find: DECIDE_START,
      replace: `${DECIDE_START}
        if (commands.some((item) => refused.has(item))) {
            for (const item of commands) if (!refused.has(item)) this.#judge(item, 'superseded');
            return;
        }`,
    },
  ],
  'fold drops the older when the newer is fenced': [
    {
      module: 'worker/decide.js',
      find: DECIDE_START,
      replace: `${DECIDE_START}
        const writes = commands.filter((item) => !isClaim(item));
        const newest = writes.toSorted((a, b) => b.command.version - a.command.version)[0];
        if (newest !== undefined && newest.command.epoch < this.#epoch) {
            for (const item of writes) this.#judge(item, item === newest ? 'fenced' : 'superseded');
            return;
        }`,
    },
  ],
  'claim not idempotent': [
    {
      module: 'worker/decide.js',
      find: 'const known = this.#snapshot.claims.get(claimKey(this.#id, claim)) ?? this.#granted?.get(claim);',
      replace: 'const known = undefined;',
    },
    {
      module: 'store/insert-claims.js',
      find: 'export async function insertClaims(connection, rows) {',
      replace: 'export async function insertClaims(connection, rows) { return;',
    },
  ],
  'original acked before its letter is confirmed': [
    {
      module: 'worker/dead-letter-publisher.js',
      find: 'async publish(letters, wanted) {',
      replace: 'async publish(letters, wanted) { void this.#attempt(letters); return true;',
    },
  ],
} as const satisfies Readonly<Record<string, readonly Edit[]>>;

/** Once: a worker that has woken may have a second batch to write, and nobody wakes it again. */
const STOP_ONCE = `if (!globalThis.hasStopped) { globalThis.hasStopped = true; process.kill(process.pid, 'SIGSTOP'); }`;

/** Workers that break nothing, but stop where they stand, every thread of them, at the worst places. */
export const STOPS = {
  'stopped inside COPY': [
    {
      module: 'store/stage-objects.js',
      find: 'stream.end(bytes);',
      // What was written reaches the socket first.
      replace: `stream.write(bytes.subarray(0, bytes.length >> 1), () => {
        setImmediate(() => {
          ${STOP_ONCE}
          stream.end(bytes.subarray(bytes.length >> 1));
        });
      });`,
    },
  ],
  'stopped between slot lock and commit': [
    {
      module: 'store/lock-slots.js',
      find: 'const held = new Set();',
      replace: `${STOP_ONCE} const held = new Set();`,
    },
  ],
} as const satisfies Readonly<Record<string, readonly Edit[]>>;

export type MutationName = keyof typeof MUTATIONS;
export type StopName = keyof typeof STOPS;
