import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { SpanStart, Traces } from './telemetry.js';

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER };

/**
 * Opens the traces, which leave by OTLP over HTTP. Where to, with which headers and how many is said by the standard
 * `OTEL_…` names, which the SDK reads by itself.
 */
export function openTraces(version: string): Traces {
  const named = resourceFromAttributes({ 'service.name': 'keyhold', 'service.version': version });
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  const tracer = provider.getTracer('keyhold', version);
  const start = (name: string, { kind, attributes = {}, parent }: SpanStart) => {
    const within = parent ? propagation.extract(ROOT_CONTEXT, { traceparent: parent }) : context.active();
    return tracer.startSpan(name, { kind: KINDS[kind], attributes: { ...attributes } }, within);
  };
  return {
    span: async (name, how, act) => {
      const span = start(name, how);
      const steps = {
        rename: (better: string) => void span.updateName(better),
        set: (attributes: SpanStart['attributes']) => void span.setAttributes({ ...attributes }),
      };
      try {
        return await context.with(trace.setSpan(context.active(), span), () => act(steps));
      } catch (error) {
        fail(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    begin: (name, how) => {
      const span = start(name, how);
      return error => {
        if (error !== undefined) fail(span, error);
        span.end();
      };
    },
    close: () => provider.shutdown(),
  };
}

/* Only what kind of failure: messages may carry what was sent. */
function fail(span: Span, error: unknown): void {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  span.setAttribute('error.type', String(code ?? name ?? 'unknown'));
  span.setStatus({ code: SpanStatusCode.ERROR });
}
