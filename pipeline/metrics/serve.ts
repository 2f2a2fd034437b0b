import type { Logger } from 'pino';
import type { RedisConnection } from '../engines/bullmq/connection.ts';
import { UsageError } from '../errors.ts';
import { createGuardedServer } from '../http/guard.ts';
import { mountBoard } from './board.ts';
import { createRegistry, type MetricSources } from './registry.ts';

/** Where metrics are served. */
export interface MetricsAddress {
  /** The port, any free one where it is 0; nothing is served where it is absent. */
  readonly metricsPort?: number | undefined;
  /** A loopback address unless told. */
  readonly metricsHost?: string | undefined;
  /** What callers must know; the variable ASSAY_TOKEN unless told. */
  readonly token?: string | undefined;
}

/** What is shown. */
export interface MetricsContent extends Pick<MetricSources, 'runs' | 'skipped'> {
  /** The Redis whose queues are shown. */
  readonly redis?: RedisConnection | null;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** A server of metrics. */
export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves `/metrics` for Prometheus, and `/queues` (bull-board, which only reads) where there is a Redis. Null without a
 * port. Throws a {@link UsageError} when other machines could reach it and there is no token, or the port is taken.
 */
export async function serveMetrics(
  { metricsPort, metricsHost = '127.0.0.1', token = process.env.ASSAY_TOKEN }: MetricsAddress,
  { redis, log, ...sources }: MetricsContent,
): Promise<MetricsServer | null> {
  if (metricsPort === undefined) return null;
  const app = createGuardedServer({ host: metricsHost, token }, (error) => log.warn(error.message));
  const board = redis ? await mountBoard(app, redis) : null;
  const registry = createRegistry({ ...sources, ...(board ? { queues: board.figures } : {}) });
  app.get('/metrics', async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  );
  try {
    await app.listen({ host: metricsHost, port: metricsPort });
  } catch (error) {
    await board?.close();
    throw new UsageError(`--metrics-port ${metricsPort}: ${(error as Error).message}`);
  }
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : metricsPort;
  const url = `http://${metricsHost.includes(':') ? `[${metricsHost}]` : metricsHost}:${port}`;
  log.info(`metrics: ${url}/metrics${board ? `, queues: ${url}/queues` : ''}`);
  return {
    url,
    async close() {
      await app.close();
      await board?.close();
    },
  };
}
