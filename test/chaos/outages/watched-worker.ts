/** What a worker says of itself over HTTP while an outage lasts. */

/** Resident memory, and what it counted since it started. */
interface Sample {
  readonly residentBytes: number;
  readonly redeliveries: number;
  readonly applied: number;
}

export class WatchedWorker {
  /** Highest seen. */
  residentBytesMax = 0;
  residentBytesLast = 0;
  redeliveries = 0;
  applied = 0;
  /** Looks at which it was ready, and not, since `forget`. */
  readyLooks = 0;
  unreadyLooks = 0;
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}`;
  }

  async look(): Promise<void> {
    const [{ status }, metrics] = await Promise.all([
      fetch(`${this.#url}/readyz`),
      fetch(`${this.#url}/metrics`).then((response) => response.text()),
    ]);
    const { residentBytes, redeliveries, applied } = readSample(metrics);
    this.residentBytesLast = residentBytes;
    this.residentBytesMax = Math.max(this.residentBytesMax, residentBytes);
    this.redeliveries = redeliveries;
    this.applied = applied;
    if (status === 200) this.readyLooks += 1;
    else this.unreadyLooks += 1;
  }

  forgetReadiness(): void {
    this.readyLooks = 0;
    this.unreadyLooks = 0;
  }
}

function readSample(metrics: string): Sample {
  const value = (series: string): number => {
    const line = metrics.split('\n').find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? Number.NaN);
  };
  return {
    residentBytes: value('process_resident_memory_bytes'),
    redeliveries: value('holdfast_redeliveries_total'),
    applied: value('holdfast_commands_total{outcome="applied"}'),
  };
}
