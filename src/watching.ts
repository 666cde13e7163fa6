import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Settings } from './config.js';
import { ListenTrouble } from './listener.js';
import type { Logger } from './platform/telemetry/log.js';
import { logOnly, type Telemetry } from './platform/telemetry/telemetry.js';

/** How this process is watched, and where. */
export interface Watching {
  readonly telemetry: Telemetry;
  close(): Promise<void>;
}

/** The version of this Keyhold. */
export function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(file) as { readonly version?: unknown }).version);
}

/** What `/metrics` answers with. */
interface Scraped {
  text(): Promise<string>;
}

/**
 * Opens what the settings ask for and loads nothing else. A worker keeps its metrics for its primary, which adds them up.
 */
export async function openWatching(settings: Settings, log: Logger, isWorker: boolean): Promise<Watching> {
  const quiet = logOnly(log);
  const metrics = settings.metricsPort === undefined ? undefined : await loadMetrics();
  const traces = settings.traces ? await loadTraces() : undefined;
  const server = metrics && !isWorker ? await serveMetrics(settings, metrics) : undefined;
  return {
    telemetry: { log, metrics: metrics ?? quiet.metrics, traces },
    close: async () => {
      server?.close();
      await traces?.close();
    },
  };
}

/** The primary's: it serves nobody, and answers for its workers. */
export async function openClusterWatching(settings: Settings, log: Logger): Promise<Watching> {
  if (settings.metricsPort === undefined) return { telemetry: logOnly(log), close: async () => undefined };
  const { openClusterMetrics } = await import('./platform/telemetry/metrics.js');
  const server = await serveMetrics(settings, openClusterMetrics());
  return { telemetry: logOnly(log), close: async () => server.close() };
}

async function loadMetrics() {
  const { openMetrics } = await import('./platform/telemetry/metrics.js');
  return openMetrics(version());
}

async function loadTraces() {
  const { openTraces } = await import('./platform/telemetry/traces.js');
  return openTraces(version());
}

/** Answers `/metrics`, and nothing else, on a port of its own. */
function serveMetrics(settings: Settings, metrics: Scraped): Promise<{ close(): void }> {
  const { metricsPort: port, metricsListen: host } = settings;
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics' || request.method !== 'GET') return response.writeHead(404).end();
    try {
      const text = await metrics.text();
      return response
        .writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' })
        .end(text);
    } catch {
      return response.writeHead(503).end();
    }
  });
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return new Promise((resolve, reject) => {
    server.once('error', error => {
      const reason =
        'code' in error && error.code === 'EADDRINUSE' ? 'is taken by another program' : error.message;
      reject(
        new ListenTrouble(
          `Port ${port} of ${host} for metrics cannot be had (${reason}); correct KEYHOLD_METRICS_PORT or KEYHOLD_METRICS_LISTEN.`,
        ),
      );
    });
    server.listen({ port, host }, () => resolve({ close }));
  });
}
