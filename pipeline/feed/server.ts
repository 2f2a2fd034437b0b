import { Readable } from 'node:stream';
import type { RecordBatch } from 'apache-arrow';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { SentColumns } from '../../schemas/arrow-stream.ts';
import { createRecycledBuffers } from '../../schemas/recycled-buffers.ts';
import { viewsAt } from '../../stages/views/schedule.ts';
import { superBatchAt } from '../distill/options.ts';
import { addGuard } from '../http/guard.ts';
import { answerMetadata, selectedAnswer, selectionAnswer, superBatchAnswer } from './answers.ts';
import { embeddingsOf } from './embeddings-body.ts';
import { keepWhileAtWork } from './idle.ts';
import type { OpenFeed } from './open-feed.ts';
import { Refusal } from './refusal.ts';
import { layoutOf, rankOf, readQuery, requestSchemas } from './requests.ts';
import { arrowType, goneOf, sendAnswer } from './send.ts';
import { sliceOf } from './slices.ts';

/** Bodies that are received at a time. */
const mostBodies = 8;

/** Who may ask a feed. */
export interface ServerSettings {
  readonly log: Logger;
  readonly host: string;
  readonly token?: string | undefined;
}

/** The endpoints of a feed; nothing listens yet. Throws a usage error where the address needs a token. */
export function createFeedServer(feed: OpenFeed, { log, host, token }: ServerSettings): FastifyInstance {
  const { options, config } = feed;
  const { steps } = config.distill.training;
  const idle = options.idleSeconds * 1000;
  const app = fastify({
    logger: false,
    bodyLimit: options.maxBodyBytes,
    connectionTimeout: idle,
    // A learner's gigabytes take their time, as long as they move.
    requestTimeout: 10 * idle,
    keepAliveTimeout: idle,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 100 },
  });
  app.server.maxConnections = options.connections;
  let bodies = 0;
  const sending = { log, buffers: createRecycledBuffers() };

  app.setErrorHandler((error: FastifyError | Refusal, request, reply) => {
    const refused = refusalOf(error, request);
    if (refused === null) log.error({ err: error, url: request.url }, 'a request failed');
    const { status, message } = refused ?? { status: 500, message: 'the feed failed: see its log' };
    // A body that wasn't read to its end would be taken for the next request.
    if (request.method !== 'GET') reply.header('connection', 'close');
    return reply.code(status).send({ error: message });
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: `${request.method} ${request.url.split('?')[0]?.slice(0, 100)}: no such endpoint` }),
  );
  app.addHook('onRequest', async (request, reply) => keepWhileAtWork(request.raw, reply.raw, idle));
  addGuard(app, { host, token });
  app.addHook('onRequest', async (request) => {
    // Here a link that is followed selects for good.
    const site = request.headers['sec-fetch-site'] ?? 'none';
    if (site !== 'none') throw new Refusal(403, 'pages of a browser are not answered (Sec-Fetch-Site)');
  });
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'POST') return;
    if (bodies >= mostBodies) throw new Refusal(503, `${bodies} bodies are being read: try again`);
    bodies += 1;
    let isHeld = true;
    const release = () => {
      if (isHeld) bodies -= 1;
      isHeld = false;
    };
    // Once it is read: a rank's answer waits for all the others' bodies.
    request.raw.once('end', release);
    // An answer that waits for another on its connection isn't told that its client is gone: its request is.
    request.raw.once('close', release);
    reply.raw.once('close', release);
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(arrowType, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload));

  app.get('/v1/health', async () => ({ ok: true }));
  app.get('/v1/status', async () => feed.status());

  app.get('/v1/super-batches', async (request, reply) => {
    const query = readQuery(requestSchemas.superBatch, request.query);
    const rank = rankOf(query);
    const views = viewsAt(options.views, { seed: config.seed, step: query.step, steps });
    const layout = layoutOf(query, options, views.image);
    const { rows, release } = await feed.selector.superBatch(query.step);
    try {
      const places = sliceOf(rows.length, rank, 'super-batch');
      const teacher = query.teacher === '1' ? feed.teacher : null;
      const metadata = answerMetadata({
        ...rank,
        step: query.step,
        steps,
        superBatch: rows.length,
        batch: config.distill.batch,
        layout,
        teacher,
      });
      const options = { layout, teacher, decoding: feed.decoding };
      return await sendAnswer(
        reply,
        { metadata, ...superBatchAnswer(rows, places, options, metadata) },
        sending,
      );
    } finally {
      release();
    }
  });

  app.post('/v1/selections', async (request, reply) => {
    const query = readQuery(requestSchemas.selection, request.query);
    const rank = rankOf(query);
    const { body } = request;
    if (!Buffer.isBuffer(body)) throw new Refusal(415, `a body of ${arrowType} is expected`);
    const recorded = await feed.selector.byEmbeddings(query.step, rank, {
      read: (rows) => embeddingsOf(body, rows, query),
      gone: goneOf(reply),
    });
    const metadata = {
      step: String(query.step),
      steps: String(steps),
      batch: String(config.distill.batch),
      super_batch: String(superBatchAt(config.distill.superBatch, query.step)),
    };
    async function* batches() {
      yield selectionAnswer(recorded);
    }
    return sendAnswer(reply, { metadata, batches }, sending);
  });

  app.get('/v1/batches', async (request, reply) => {
    const query = readQuery(requestSchemas.batches, request.query);
    const rank = rankOf(query);
    sliceOf(config.distill.batch, rank, 'batch');
    const plan = (step: number) => {
      const views = viewsAt(options.views, { seed: config.seed, step, steps });
      const layout = layoutOf(query, options, views.image);
      return { seed: config.seed, step, views, layout };
    };
    const first = plan(query.step);
    // What can be refused is, before an answer begins.
    await feed.selector.byFeed(query.step);
    const teacher = query.teacher === '1' ? feed.teacher : null;
    const metadata = answerMetadata({
      ...rank,
      step: query.step,
      steps,
      superBatch: superBatchAt(config.distill.superBatch, query.step),
      batch: config.distill.batch,
      layout: first.layout,
      teacher,
      viewed: first,
    });
    async function* batches(signal: AbortSignal): AsyncGenerator<RecordBatch | SentColumns> {
      const end = Math.min(steps, query.step + query.count);
      for (let step = query.step; step < end; step += 1) {
        const viewed = plan(step);
        // A stream has one schema: it ends where the schedule changes what a batch has.
        if (JSON.stringify({ ...viewed, step: 0 }) !== JSON.stringify({ ...first, step: 0 })) return;
        const selection = await feed.selector.byFeed(step);
        const { rows, release } = await feed.selector.superBatch(step);
        try {
          const positions = sliceOf(selection.rows.numRows, rank, 'batch');
          yield* selectedAnswer(rows, selection, positions, viewed, {
            layout: viewed.layout,
            teacher,
            decoding: feed.decoding,
            signal,
          });
        } finally {
          release();
        }
      }
    }
    return sendAnswer(reply, { metadata, batches }, sending);
  });

  app.put('/v1/learner', async (request) => {
    const query = readQuery(requestSchemas.learner, request.query);
    const { body } = request;
    if (!(body instanceof Readable)) throw new Refusal(415, 'a body of application/x-tar is expected');
    if ((query.scale === undefined) !== (query.bias === undefined)) {
      throw new Refusal(400, 'scale and bias are given together, or neither is');
    }
    if (query.scale !== undefined && query.scale <= 0)
      throw new Refusal(400, 'scale: exp(t), over 0, is expected');
    const next = feed.journal.steps();
    if (query.step > next) {
      throw new Refusal(409, `a learner of step ${query.step} can't be: ${next} steps are selected`);
    }
    const { scale, bias } = query;
    const logits = scale !== undefined && bias !== undefined ? { scale, bias } : undefined;
    await feed.learner.put(body, { step: query.step, logits });
    return { learner: feed.status().learner };
  });
  return app;
}

/** What a failure is to the client; null where it is ours. */
function refusalOf(
  error: FastifyError | Refusal,
  request: FastifyRequest,
): { readonly status: number; readonly message: string } | null {
  if (error instanceof Refusal) return { status: error.status, message: error.message };
  const { code, statusCode = 500 } = error as FastifyError;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return { status: 413, message: `the body is too large: see feed.maxBodyBytes` };
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const type = String(request.headers['content-type']).slice(0, 80);
    const expected = request.method === 'PUT' ? 'application/x-tar' : arrowType;
    return { status: 415, message: `the content type is ${type}: ${expected} is expected` };
  }
  if (statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, message: error.message.split('\n')[0] ?? 'bad request' };
  }
  return null;
}
