/** Renders `docs/metrics.md` from the definitions; a test holds the file equal to this. */
import { METRICS, type MetricDefinition } from './metric-definitions.ts';

/** The text of `docs/metrics.md`. */
export function renderMetricsDocument(): string {
  const definitions: readonly MetricDefinition[] = Object.values(METRICS);
  const histograms = definitions.filter((definition) => definition.type === 'histogram');
  return [
    '<!-- biome-ignore-all format: rendered from src/telemetry/metric-definitions.ts; a test holds the two equal -->',
    '',
    '# Metrics',
    '',
    'Served by every worker at `/metrics` in the Prometheus text format (option `httpAddress`). Counters start at 0 with',
    'the process. Label values are closed sets or partition numbers, so the number of series is bounded.',
    '',
    '| metric | type | unit | labels | meaning |',
    '|---|---|---|---|---|',
    ...definitions.map(metricRow),
    '',
    '## Buckets',
    '',
    '| histogram | upper bounds |',
    '|---|---|',
    ...histograms.map(({ name, buckets = [] }) => `| \`${name}\` | ${buckets.join(', ')} |`),
    '',
    '## Of the process',
    '',
    'Memory, CPU, file descriptors, event loop and garbage collection, under the names that are customary for Node.js:',
    '`process_*` and `nodejs_*`, as `prom-client` defines them.',
    '',
  ].join('\n');
}

function metricRow({ name, type, unit, labels, help }: MetricDefinition): string {
  const labelTexts = Object.entries(labels).map(([label, values]) => {
    const allowed = typeof values === 'string' ? values : values.map((value) => `\`${value}\``).join(' ');
    return `\`${label}\`: ${allowed}`;
  });
  return `| \`${name}\` | ${type} | ${unit} | ${labelTexts.join('<br>')} | ${help} |`;
}
