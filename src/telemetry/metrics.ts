/**
 * The metrics of one process, in a registry of their own. Label values are resolved when it is made, so that every closed
 * series starts at 0 and no caller can invent a label. Counters and the gauge of commands in flight are plain numbers that
 * the registry is told of when it is asked: recorded there, each would cost 50 to 200 ns, several times for every frame.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RejectCode } from '../contract/errors.ts';
import type { Outcome } from '../contract/reply.ts';
import {
  type LoadKind,
  METRICS,
  type MetricDefinition,
  type RetryClass,
  type WritePath,
} from './metric-definitions.ts';

interface CounterHandle {
  /** Counts 1 or `count`. */
  inc(count?: number): void;
}

interface GaugeHandle {
  set(value: number): void;
  inc(count?: number): void;
  dec(count?: number): void;
}

interface HistogramHandle {
  observe(value: number): void;
}

/** Asked at every scrape; the latest source given counts. */
interface AskedHandle {
  readFrom(source: () => number): void;
}

interface SwitchHandle {
  set(on: boolean): void;
}

export interface Metrics {
  readonly commands: Readonly<Record<Outcome, CounterHandle>>;
  readonly commandsInFlight: GaugeHandle;
  readonly deliveries: CounterHandle;
  readonly redeliveries: CounterHandle;
  readonly batches: Readonly<Record<WritePath, CounterHandle>>;
  readonly batchCommands: HistogramHandle;
  readonly batchRows: HistogramHandle;
  /** Seconds. */
  readonly writeDuration: Readonly<Record<WritePath, HistogramHandle>>;
  /** Seconds. */
  readonly loadDuration: Readonly<Record<LoadKind, HistogramHandle>>;
  readonly deadLetters: Readonly<Record<RejectCode, CounterHandle>>;
  readonly lettersMoved: CounterHandle;
  readonly letterMoveFailures: CounterHandle;
  readonly replies: CounterHandle;
  readonly repliesIgnored: CounterHandle;
  readonly writeRetries: Readonly<Record<RetryClass, CounterHandle>>;
  readonly partitionOwned: { set(partitionCount: number, partition: number, owned: boolean): void };
  readonly brokerConnected: SwitchHandle;
  readonly storeAvailable: SwitchHandle;
  readonly versionsAhead: CounterHandle;
  /** In seconds. */
  readonly oldestCommandAge: AskedHandle;
  readonly frameReturnsMax: AskedHandle;
  /** The `Content-Type` of what `render` returns. */
  readonly contentType: string;
  /** Everything in the Prometheus text format. */
  render(): Promise<string>;
}

export interface MetricsOptions {
  /** Of Holdfast. */
  readonly version: string;
  /** Whether to add memory, CPU, event loop and garbage collection of the process; true if not given. */
  readonly processMetrics?: boolean | undefined;
}

/** New metrics, all at 0, independent of any other instance. */
export function createMetrics({ version, processMetrics = true }: MetricsOptions): Metrics {
  const registry = new Registry();
  const partitionOwned = gauge(registry, METRICS.partitionOwned);
  gauge(registry, METRICS.buildInfo).labels(version).set(1);
  if (processMetrics) collectDefaultMetrics({ register: registry });

  return {
    commands: countersBy(registry, METRICS.commands, METRICS.commands.labels.outcome),
    commandsInFlight: tallyGauge(registry, METRICS.commandsInFlight),
    deliveries: counter(registry, METRICS.deliveries),
    redeliveries: counter(registry, METRICS.redeliveries),
    batches: countersBy(registry, METRICS.batches, METRICS.batches.labels.path),
    batchCommands: histogram(registry, METRICS.batchCommands),
    batchRows: histogram(registry, METRICS.batchRows),
    writeDuration: histogramsBy(registry, METRICS.writeDuration, METRICS.writeDuration.labels.path),
    loadDuration: histogramsBy(registry, METRICS.loadDuration, METRICS.loadDuration.labels.kind),
    deadLetters: countersBy(registry, METRICS.deadLetters, METRICS.deadLetters.labels.code),
    lettersMoved: counter(registry, METRICS.lettersMoved),
    letterMoveFailures: counter(registry, METRICS.letterMoveFailures),
    replies: counter(registry, METRICS.replies),
    repliesIgnored: counter(registry, METRICS.repliesIgnored),
    writeRetries: countersBy(registry, METRICS.writeRetries, METRICS.writeRetries.labels.class),
    partitionOwned: {
      set: (partitionCount, partition, owned) =>
        partitionOwned.labels(String(partitionCount), String(partition)).set(owned ? 1 : 0),
    },
    brokerConnected: switchOf(gauge(registry, METRICS.brokerConnected)),
    storeAvailable: switchOf(gauge(registry, METRICS.storeAvailable)),
    versionsAhead: counter(registry, METRICS.versionsAhead),
    oldestCommandAge: askedGauge(registry, METRICS.oldestCommandAge),
    frameReturnsMax: askedGauge(registry, METRICS.frameReturnsMax),
    contentType: registry.contentType,
    render: () => registry.metrics(),
  };
}

function settings(registry: Registry, { name, help, labels }: MetricDefinition) {
  return { name, help, labelNames: Object.keys(labels), registers: [registry] };
}

/** Adds a counter to the registry, which has it brought up to date whenever it is asked. */
function register(registry: Registry, definition: MetricDefinition, collect: (self: Counter) => void): void {
  const self: Counter = new Counter({ ...settings(registry, definition), collect: () => collect(self) });
}

function counter(registry: Registry, definition: MetricDefinition): CounterHandle {
  let uncounted = 0;
  register(registry, definition, (self) => {
    self.inc(uncounted);
    uncounted = 0;
  });
  return {
    inc: (count = 1) => {
      uncounted += count;
    },
  };
}

function tallyGauge(registry: Registry, definition: MetricDefinition): GaugeHandle {
  let value = 0;
  gauge(registry, definition, (self) => self.set(value));
  return {
    set: (to) => {
      value = to;
    },
    inc: (count = 1) => {
      value += count;
    },
    dec: (count = 1) => {
      value -= count;
    },
  };
}

function gauge(registry: Registry, definition: MetricDefinition, collect?: (self: Gauge) => void): Gauge {
  if (collect === undefined) return new Gauge(settings(registry, definition));
  return new Gauge({
    ...settings(registry, definition),
    collect() {
      collect(this);
    },
  });
}

function askedGauge(registry: Registry, definition: MetricDefinition): AskedHandle {
  let ask: (() => number) | undefined;
  gauge(registry, definition, (self) => self.set(ask?.() ?? 0));
  return {
    readFrom: (source) => {
      ask = source;
    },
  };
}

function histogram(registry: Registry, definition: MetricDefinition): Histogram {
  return new Histogram({ ...settings(registry, definition), buckets: [...(definition.buckets ?? [])] });
}

function countersBy<Value extends string>(
  registry: Registry,
  definition: MetricDefinition,
  values: readonly Value[],
): Record<Value, CounterHandle> {
  const [label = ''] = Object.keys(definition.labels);
  const uncounted = new Map<Value, number>(values.map((value) => [value, 0]));
  register(registry, definition, (self) => {
    for (const [value, count] of uncounted) {
      self.inc({ [label]: value }, count);
      uncounted.set(value, 0);
    }
  });
  return resolve(values, (value) => ({
    inc: (count = 1) => {
      uncounted.set(value, (uncounted.get(value) ?? 0) + count);
    },
  }));
}

function histogramsBy<Value extends string>(
  registry: Registry,
  definition: MetricDefinition,
  values: readonly Value[],
): Record<Value, HistogramHandle> {
  const parent = histogram(registry, definition);
  const [label = ''] = Object.keys(definition.labels);
  return resolve(values, (value) => {
    parent.zero({ [label]: value });
    return parent.labels(value);
  });
}

function switchOf(target: Gauge): SwitchHandle {
  return { set: (on) => target.set(on ? 1 : 0) };
}

function resolve<Value extends string, Handle>(
  values: readonly Value[],
  handleOf: (value: Value) => Handle,
): Record<Value, Handle> {
  return Object.fromEntries(values.map((value) => [value, handleOf(value)])) as Record<Value, Handle>;
}
