import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { CollectedMetric } from './metrics.ts';

/** Content type of what `renderPrometheus` makes. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Renders metrics in Prometheus' text format, with OpenTelemetry's serializer. It is loaded with the first scrape: a
 * quarter of a second that a cold start need not pay.
 */
export async function renderPrometheus(
  metrics: readonly CollectedMetric[],
  resource: Readonly<Record<string, string>>,
  nowMs: number,
): Promise<string> {
  const [{ PrometheusSerializer }, { resourceFromAttributes }, sdk] = await Promise.all([
    import('@opentelemetry/exporter-prometheus'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-metrics'),
  ]);
  const time: [number, number] = [Math.floor(nowMs / 1_000), 0];
  const toData = (metric: CollectedMetric): MetricData => {
    const base = {
      descriptor: { name: metric.name, description: metric.help, unit: '', valueType: 1 },
      aggregationTemporality: sdk.AggregationTemporality.CUMULATIVE,
    };
    const at = { startTime: time, endTime: time };
    if (metric.kind === 'histogram') {
      return {
        ...base,
        dataPointType: sdk.DataPointType.HISTOGRAM,
        dataPoints: metric.points.map(({ labels, counts, sum, count }) => ({
          ...at,
          attributes: labels,
          value: { buckets: { boundaries: [...metric.bounds], counts: [...counts] }, sum, count },
        })),
      };
    }
    const dataPoints = metric.points.map(({ labels, value }) => ({ ...at, attributes: labels, value }));
    return metric.kind === 'counter'
      ? { ...base, dataPointType: sdk.DataPointType.SUM, isMonotonic: true, dataPoints }
      : { ...base, dataPointType: sdk.DataPointType.GAUGE, dataPoints };
  };
  return new PrometheusSerializer(undefined, false, undefined, false, true).serialize({
    resource: resourceFromAttributes(resource),
    scopeMetrics: [{ scope: { name: 'holdfast' }, metrics: metrics.filter((m) => m.points.length > 0).map(toData) }],
  });
}
