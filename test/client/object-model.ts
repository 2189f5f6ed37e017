/** The contract read plainly: every command by itself, in queue order (DESIGN 2.4 and 4.3). */
import type { ListCommand, LoadCommand, PartitionCommand, WriteCommand } from '../../src/contract/command.ts';
import type { ReplyItem } from '../../src/contract/reply.ts';

interface Stored {
  readonly live: boolean;
  readonly type: string;
  readonly version: number;
  readonly epoch: number;
  readonly document: string;
  readonly nextRcseq: number;
}

const NOTHING: Stored = { live: false, type: '', version: 0, epoch: 0, document: '', nextRcseq: 0 };

export class ObjectModel {
  readonly #objects = new Map<string, Stored>();
  readonly #claims = new Map<string, number>();

  get(id: string): Stored {
    return this.#objects.get(id) ?? NOTHING;
  }

  /** As if another node had written it. */
  put(id: string, stored: Partial<Stored>): void {
    this.#objects.set(id, {
      ...NOTHING,
      live: true,
      type: 'T',
      document: '{}',
      ...this.#objects.get(id),
      ...stored,
    });
  }

  answer(command: PartitionCommand, document: string | undefined): ReplyItem {
    return command.action === 'load' ? this.#load(command) : this.#write(command, document ?? '');
  }

  list(command: ListCommand): ReplyItem[] {
    const ids = [...this.#objects.keys()]
      .filter((id) => this.get(id).live && this.get(id).type === command.type)
      .filter(
        (id) =>
          command.after === undefined || Buffer.compare(Buffer.from(id), Buffer.from(command.after)) > 0,
      )
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return ids.slice(0, command.limit).map((id) => this.#found(id, command.documents));
  }

  #write(command: WriteCommand, document: string): ReplyItem {
    const { id, version, epoch, ifVersion } = command;
    const stored = this.get(id);
    const judge = (outcome: 'fenced' | 'conflict' | 'superseded'): ReplyItem => ({
      line: { id, outcome, version: stored.version, epoch: stored.epoch },
    });
    if (epoch < stored.epoch) return judge('fenced');
    if (version === stored.version) {
      const same = command.action === 'save' ? stored.live && stored.document === document : !stored.live;
      if (!same) return judge('conflict');
      return { line: { id, outcome: 'applied', version, epoch: stored.epoch } };
    }
    const met =
      ifVersion === undefined ||
      (ifVersion === 0 ? !stored.live : stored.live && stored.version === ifVersion);
    if (!met) return judge('conflict');
    if (version < stored.version) return judge('superseded');
    const nextRcseq =
      command.action === 'save' ? Math.max(stored.live ? stored.nextRcseq : 0, command.nextRcseq ?? 0) : 0;
    const type = command.action === 'save' ? command.type : '';
    this.#objects.set(id, { live: command.action === 'save', type, version, epoch, document, nextRcseq });
    return { line: { id, outcome: 'applied', version, epoch } };
  }

  #load({ id, claim, epoch, document }: LoadCommand): ReplyItem {
    let given: number | undefined;
    if (claim !== undefined) {
      const key = `${claim} ${id}`;
      given = this.#claims.get(key) ?? Math.max(this.get(id).epoch + 1, epoch);
      if (!this.#claims.has(key)) this.#objects.set(id, { ...this.get(id), epoch: given });
      this.#claims.set(key, given);
    }
    const stored = this.get(id);
    const answer: ReplyItem = stored.live
      ? this.#found(id, document)
      : { line: { id, outcome: 'absent', version: stored.version, epoch: stored.epoch } };
    return given === undefined ? answer : { ...answer, line: { ...answer.line, epoch: given } };
  }

  #found(id: string, withDocument: boolean): ReplyItem {
    const { type, version, epoch, nextRcseq, document } = this.get(id);
    const line = { id, outcome: 'found', type, version, epoch, nextRcseq } as const;
    return withDocument ? { line, document } : { line };
  }
}
