import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { Queue } from 'bullmq';
import type { FastifyInstance } from 'fastify';
import type { RedisConnection } from '../engines/bullmq/connection.ts';
import { queueNames } from '../engines/bullmq/queues.ts';
import type { QueueFigures } from './registry.ts';

/** The queues of a Redis, shown and counted. */
export interface Board {
  figures(): Promise<QueueFigures[]>;
  close(): Promise<void>;
}

const states = ['waiting', 'active', 'delayed', 'failed', 'completed', 'waiting-children'] as const;
/** Redis may be gone: metrics say then what else they know. */
const patienceMs = 2_000;

/** The board's page has a script and styles of its own in it; all it loads comes from here. */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Mounts bull-board at `/queues`: it shows the queues and changes nothing. */
export async function mountBoard(app: FastifyInstance, redis: RedisConnection): Promise<Board> {
  const queues = Object.values(queueNames).map((name) => new Queue(name, { connection: redis.options }));
  for (const queue of queues) queue.on('error', () => {});
  const adapter = new FastifyAdapter();
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Assay', hideRedisDetails: true } },
  });
  adapter.setBasePath('/queues');
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request, reply) => {
      reply.header('content-security-policy', policy);
      // Read-only is the board's own word: what isn't a question isn't passed on.
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return reply.code(405).send({ error: 'the board only reads' });
      }
    });
    await scope.register(adapter.registerPlugin(), { prefix: '/queues' });
  });
  return {
    async figures() {
      const counted = Promise.all(
        queues.map(async (queue) => ({ queue: queue.name, jobs: await queue.getJobCounts(...states) })),
      );
      const late = new Promise<QueueFigures[]>((resolve) => setTimeout(resolve, patienceMs, []).unref());
      return Promise.race([counted.catch(() => []), late]);
    },
    async close() {
      const closing = Promise.all(queues.map((queue) => queue.close()));
      await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    },
  };
}
