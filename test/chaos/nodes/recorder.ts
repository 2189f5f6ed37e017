/** Writes a node's events down and counts them. */
import type { Load, Write, WriteOutcome } from '../oracle/history.ts';
import { COLUMN_COUNT, failureRow, loadRow, repliesLostRow, writeRow } from '../record/columns.ts';
import { RowWriter } from '../record/row-file.ts';
import { nowUs } from '../workload/clock.ts';
import type { NodeCounts } from './node-config.ts';

export class Recorder {
  readonly process: number;
  readonly #rows: RowWriter;
  readonly #outcomes: Record<string, number> = {};
  issued = 0;
  confirmed = 0;
  answered = 0;
  replayed = 0;
  sentTwice = 0;

  constructor(process: number, file: string) {
    this.process = process;
    this.#rows = new RowWriter(file, COLUMN_COUNT);
  }

  write(object: number, write: Omit<Write, 'process'>): void {
    this.#rows.add(writeRow(object, { ...write, process: this.process }));
    this.count(write.outcome);
    if (write.outcome !== 'unknown' && write.outcome !== 'unsent') this.confirmed += 1;
  }

  load(object: number, load: Omit<Load, 'process'>): void {
    this.#rows.add(loadRow(object, { ...load, process: this.process }));
    this.count(load.found ? 'found' : 'absent');
    this.answered += 1;
  }

  failure(
    object: number,
    outcome: 'fenced' | 'conflict' | 'rejected',
    storedEpoch: number | undefined,
  ): void {
    this.#rows.add(failureRow(object, this.process, outcome, storedEpoch, nowUs()));
    this.count(outcome);
  }

  repliesLost(): void {
    this.#rows.add(repliesLostRow(this.process, nowUs()));
  }

  count(outcome: WriteOutcome | 'found' | 'absent' | 'load failed'): void {
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
  }

  get counts(): NodeCounts {
    const { issued, confirmed, answered, replayed, sentTwice } = this;
    return { issued, confirmed, answered, replayed, sentTwice, outcomes: { ...this.#outcomes } };
  }

  close(): void {
    this.#rows.close();
  }
}
