/** How far the nodes are: one line that is rewritten on a terminal, and a line every two seconds elsewhere. */
import { NODES, OPERATIONS } from './plan.ts';

const count = (n: number): string => n.toLocaleString('en-US');

export class Progress {
  readonly #done: number[] = Array.from({ length: NODES }, () => 0);
  readonly #onChange: (done: number) => void;
  readonly #startedAt = performance.now();
  #shownAt = 0;

  constructor(onChange: (done: number) => void) {
    this.#onChange = onChange;
  }

  report(node: number, done: number): void {
    this.#done[node] = done;
    const total = this.#done.reduce((sum, each) => sum + each, 0);
    this.#onChange(total);
    const now = performance.now();
    if (now - this.#shownAt < (process.stdout.isTTY ? 100 : 2_000)) return;
    this.#shownAt = now;
    const rate = total / ((now - this.#startedAt) / 1_000);
    const line = `${count(total)} of ${count(OPERATIONS)} operations confirmed, ${count(Math.round(rate))}/s`;
    if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K${line}`);
    else console.log(line);
  }

  note(line: string): void {
    this.end();
    console.log(line);
  }

  end(): void {
    if (process.stdout.isTTY) process.stdout.write('\r\u001B[K');
  }
}
