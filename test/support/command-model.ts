/**
 * The contract read plainly: every command by itself, in queue order (DESIGN 2.4 and 4.3). Also random commands on few
 * objects, versions, epochs and contents, so that every collision occurs; some documents are refused by the database.
 */
import fc from 'fast-check';
import { type BatchCommand, isClaim, isSave } from '../../src/worker/batch-command.ts';
import { claim, type Outcome, remove, save } from './batch-commands.ts';

export interface ModelObject {
  live: boolean;
  version: number;
  epoch: number;
  type: string;
  document: string;
  nextRcseq: number;
  createdAt: number;
}

/** Where it stands in a document, the database refuses it. */
export const REFUSED = '"refused"';

export class Model {
  readonly objects = new Map<string, ModelObject>();
  readonly #claims = new Map<string, number>();
  now = 0;

  apply(item: BatchCommand): Outcome {
    const { id } = item.command;
    const before = this.objects.get(id);
    const state = before ?? {
      live: false,
      version: 0,
      epoch: 0,
      type: '',
      document: '',
      nextRcseq: 0,
      createdAt: 0,
    };
    if (isClaim(item)) return this.#claim(item.command.claim, item.command.epoch, id, state);
    const { version, epoch, ifVersion } = item.command;
    const judge = (outcome: 'superseded' | 'fenced' | 'conflict' | 'applied'): Outcome => ({
      outcome,
      version: state.version,
      epoch: state.epoch,
    });
    if (epoch < state.epoch) return judge('fenced');
    if (version === state.version) return judge(isSameContent(item, state) ? 'applied' : 'conflict');
    const met =
      ifVersion === undefined || (ifVersion === 0 ? !state.live : state.live && state.version === ifVersion);
    if (!met) return judge('conflict');
    if (version < state.version) return judge('superseded');
    if (isSave(item)) {
      const document = item.row.body.toString();
      if (document.includes(REFUSED)) return { outcome: 'rejected' };
      this.objects.set(id, {
        live: true,
        version,
        epoch,
        type: item.row.type,
        document,
        nextRcseq: Math.max(state.live ? state.nextRcseq : 0, item.row.nextRcseq),
        createdAt: state.live ? state.createdAt : this.now,
      });
    } else {
      this.objects.set(id, { ...state, live: false, version, epoch, nextRcseq: 0 });
    }
    return { outcome: 'applied', version, epoch };
  }

  #claim(claimId: string, proposed: number, id: string, state: ModelObject): Outcome {
    const key = `${id}/${claimId}`;
    const epoch = this.#claims.get(key) ?? Math.max(state.epoch + 1, proposed);
    if (!this.#claims.has(key)) {
      this.#claims.set(key, epoch);
      this.objects.set(id, { ...state, epoch });
    }
    return { outcome: 'claimed', epoch };
  }
}

function isSameContent(item: BatchCommand, state: ModelObject): boolean {
  if (!isSave(item)) return !state.live;
  if (!state.live || state.type !== item.row.type) return false;
  return JSON.stringify(JSON.parse(item.row.body.toString())) === JSON.stringify(JSON.parse(state.document));
}

/** A few batches about objects with these ids. */
export function randomBatches(ids: readonly string[]): fc.Arbitrary<BatchCommand[][]> {
  const id = fc.constantFrom(...ids);
  const version = fc.integer({ min: 1, max: 6 });
  const epoch = fc.constantFrom(0, 0, 0, 1, 2);
  const ifVersion = fc.constantFrom(undefined, undefined, undefined, 0, 1, 2, 3);
  const nextRcseq = fc.constantFrom(undefined, 1, 2, 3);
  const type = fc.constantFrom('T', 'T', 'U');
  // Two ways to write the same content, another content, and one that the database refuses.
  const document = fc.constantFrom('{"x":1}', '{ "x": 1 }', '{"x":2}', `{"x":${REFUSED}}`);
  const saving = fc.record({ version, epoch, ifVersion, nextRcseq, type });
  const deleting = fc.record({ version, epoch, ifVersion });
  const command = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(id, document, saving).map((given) => save(...given)) },
    { weight: 2, arbitrary: fc.tuple(id, deleting).map((given) => remove(...given)) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(id, fc.constantFrom(...CLAIM_IDS), fc.constantFrom(0, 0, 5))
        .map((given) => claim(...given)),
    },
  );
  return fc.array(fc.array(command, { maxLength: 12 }), { minLength: 1, maxLength: 3 });
}

const CLAIM_IDS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);

export function describeCommand({ command: { action, ...fields }, row }: BatchCommand): string {
  return `${action} ${JSON.stringify(fields)} ${row?.body.toString() ?? ''}`;
}

/**
 * What the batch may say where the model says `expected`: exactly that, except that a write which a newer one of the
 * same batch overtook may be `superseded` without having been tried.
 */
export function isAllowed(actual: Outcome | undefined, expected: Outcome): boolean {
  if (actual === undefined) return false;
  if (
    actual.outcome === 'superseded' &&
    (expected.outcome === 'applied' || expected.outcome === 'rejected')
  ) {
    return true;
  }
  if (actual.outcome === 'superseded' && expected.outcome === 'superseded')
    return actual.version >= expected.version;
  return JSON.stringify(actual) === JSON.stringify(expected);
}

/** What a load can see of an object. */
export function visible(object: ModelObject): ModelObject {
  if (object.live) return object;
  return { ...object, type: '', document: '', nextRcseq: 0, createdAt: 0 };
}
