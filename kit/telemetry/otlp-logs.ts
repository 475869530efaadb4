import type { SdkLogRecord } from '@opentelemetry/sdk-logs';
import type { LogLevel } from '#kit/runtime';
import { type Export, highResolution, type OtlpOptions, otlpBatches, otlpExporter } from './otlp.ts';
import { parseLine } from './store/read.ts';

/**
 * Sends lines that `createLogger` wrote as JSON, each with its trace, through OpenTelemetry's own batch processor and exporter.
 * Both keep time by themselves, so this is for the real world only; they are loaded when an address is configured.
 */
export async function createLogExport(
  options: OtlpOptions,
  resource: Readonly<Record<string, string>>,
): Promise<Export<string>> {
  const [{ OTLPLogExporter }, { BatchLogRecordProcessor }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/exporter-logs-otlp-http'),
    import('@opentelemetry/sdk-logs'),
    import('@opentelemetry/resources'),
  ]);
  const exporter = new OTLPLogExporter(otlpExporter(options, 'logs'));
  const processor = new BatchLogRecordProcessor({ exporter, ...otlpBatches(options) });
  const attributes = resourceFromAttributes(resource);
  return {
    add(line) {
      const record = toLogRecord(line, attributes);
      if (record) processor.onEmit(record);
    },
    stop: () => processor.shutdown(),
  };
}

// Values of OpenTelemetry's SeverityNumber (opentelemetry.io/docs/specs/otel/logs/data-model), without loading it.
const severities: Readonly<Record<LogLevel, number>> = { debug: 5, info: 9, warn: 13, error: 17 };
const flagSampled = 1;

/** The line as the exporter reads it. Attributes are texts, numbers and booleans; what is deeper goes as JSON. */
function toLogRecord(line: string, resource: SdkLogRecord['resource']): SdkLogRecord | undefined {
  const parsed = parseLine(line);
  if (!parsed) return undefined;
  const { time, level, msg, traceId, ...fields } = parsed;
  const at = highResolution(typeof time === 'string' ? Date.parse(time) : 0);
  const spanContext = { traceId: String(traceId), spanId: '', traceFlags: flagSampled };
  return {
    ...{ hrTime: at, hrTimeObserved: at, resource, body: String(msg ?? '') },
    severityText: String(level),
    severityNumber: severities[level as LogLevel] ?? 0,
    ...(typeof traceId === 'string' ? { spanContext } : {}),
    instrumentationScope,
    attributes: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, flat(value)])),
    droppedAttributesCount: 0,
    // The exporter reads records; what changes them is for processors, and there is none between.
  } as unknown as SdkLogRecord;
}

/** One and the same object: the exporter groups by it. */
const instrumentationScope = { name: 'holdfast' };

function flat(value: unknown): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return JSON.stringify(value) ?? '';
}
