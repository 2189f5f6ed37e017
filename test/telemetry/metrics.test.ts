/** Names follow the rules of Prometheus, every closed series starts at 0, and what is recorded is what is served. */
import { describe, expect, it } from 'vitest';
import { REJECT_CODES } from '../../src/contract/errors.ts';
import { OUTCOMES } from '../../src/contract/reply.ts';
import { renderMetricsDocument } from '../../src/telemetry/describe-metrics.ts';
import { METRICS, type MetricDefinition } from '../../src/telemetry/metric-definitions.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';

const DEFINITIONS: readonly MetricDefinition[] = Object.values(METRICS);

function create(): Metrics {
  return createMetrics({ version: '1.2.3', processMetrics: false });
}

/** The value of each served series, by its name and labels. */
async function served(metrics: Metrics): Promise<Record<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

describe('metric names', () => {
  it.each(DEFINITIONS)(
    'such as $name follow the rules',
    ({ name, type, unit, labels, help, buckets = [] }) => {
      expect(name).toMatch(/^holdfast_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(name.endsWith('_seconds')).toBe(unit === 'seconds');
      for (const label of Object.keys(labels)) expect(label).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(help).toMatch(/^[A-Z1].*\.$/);
      expect(buckets.length > 0).toBe(type === 'histogram');
      expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
    },
  );

  it('are unique', () => {
    expect(new Set(DEFINITIONS.map((definition) => definition.name)).size).toBe(DEFINITIONS.length);
  });
});

describe('metrics', () => {
  it('serve every definition with its type and help', async () => {
    const text = await create().render();
    for (const { name, type, help } of DEFINITIONS) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
    }
  });

  it('start every series of a closed label at 0', async () => {
    const series = await served(create());
    for (const outcome of OUTCOMES) expect(series[`holdfast_commands_total{outcome="${outcome}"}`]).toBe(0);
    for (const code of REJECT_CODES) expect(series[`holdfast_dead_letters_total{code="${code}"}`]).toBe(0);
    expect(series['holdfast_write_duration_seconds_count{path="copy"}']).toBe(0);
    expect(series['holdfast_load_duration_seconds_count{kind="list"}']).toBe(0);
    expect(series['holdfast_batch_rows_count']).toBe(0);
    expect(series['holdfast_oldest_command_age_seconds']).toBe(0);
    expect(series['holdfast_build_info{version="1.2.3"}']).toBe(1);
  });

  it('serve what was recorded', async () => {
    const metrics = create();
    metrics.commands.applied.inc(500);
    metrics.commands.applied.inc(7);
    metrics.commandsInFlight.inc(10);
    metrics.commandsInFlight.dec(4);
    metrics.deliveries.inc();
    metrics.batches.copy.inc();
    metrics.batchCommands.observe(507);
    metrics.writeDuration.rows.observe(0.003);
    metrics.loadDuration.committed.observe(61);
    metrics.deadLetters.MALFORMED_FRAME.inc();
    metrics.writeRetries.systemic.inc(2);
    metrics.partitionOwned.set(16, 3, true);
    metrics.partitionOwned.set(16, 4, true);
    metrics.partitionOwned.set(16, 4, false);
    metrics.brokerConnected.set(true);
    metrics.storeAvailable.set(true);
    metrics.storeAvailable.set(false);
    expect(await served(metrics)).toMatchObject({
      'holdfast_commands_total{outcome="applied"}': 507,
      holdfast_commands_in_flight: 6,
      holdfast_deliveries_total: 1,
      'holdfast_batches_total{path="copy"}': 1,
      'holdfast_batches_total{path="rows"}': 0,
      'holdfast_batch_commands_bucket{le="256"}': 0,
      'holdfast_batch_commands_bucket{le="1024"}': 1,
      holdfast_batch_commands_sum: 507,
      'holdfast_write_duration_seconds_bucket{le="0.005",path="rows"}': 1,
      'holdfast_load_duration_seconds_bucket{le="60",kind="committed"}': 0,
      'holdfast_load_duration_seconds_bucket{le="+Inf",kind="committed"}': 1,
      'holdfast_dead_letters_total{code="MALFORMED_FRAME"}': 1,
      'holdfast_write_retries_total{class="systemic"}': 2,
      'holdfast_partition_owned{partition_count="16",partition="3"}': 1,
      'holdfast_partition_owned{partition_count="16",partition="4"}': 0,
      holdfast_broker_connected: 1,
      holdfast_store_available: 0,
    });
  });

  it('are counted once, however often and however many at once ask for them', async () => {
    const metrics = create();
    metrics.commands.applied.inc(3);
    metrics.deliveries.inc();
    const atOnce = await Promise.all([served(metrics), served(metrics)]);
    metrics.commands.applied.inc(2);
    const later = [await served(metrics), await served(metrics)];
    const applied = 'holdfast_commands_total{outcome="applied"}';
    expect([...atOnce, ...later].map((series) => series[applied])).toEqual([3, 3, 5, 5]);
    expect(later[1]).toMatchObject({ holdfast_deliveries_total: 1 });
  });

  it('ask for the age of the oldest command at every scrape', async () => {
    const metrics = create();
    let age = 1.5;
    metrics.oldestCommandAge.readFrom(() => age);
    expect((await served(metrics))['holdfast_oldest_command_age_seconds']).toBe(1.5);
    age = 3;
    expect((await served(metrics))['holdfast_oldest_command_age_seconds']).toBe(3);
  });

  it('of two instances do not mix', async () => {
    const one = create();
    const two = create();
    one.deliveries.inc(5);
    expect((await served(two))['holdfast_deliveries_total']).toBe(0);
  });

  it('add those of the process unless told otherwise', async () => {
    expect(await createMetrics({ version: '1' }).render()).toContain('process_resident_memory_bytes ');
    expect(await create().render()).not.toContain('process_');
  });
});

describe('docs/metrics.md', () => {
  it('is what the definitions render', async () => {
    await expect(renderMetricsDocument()).toMatchFileSnapshot('../../docs/metrics.md');
  });
});
