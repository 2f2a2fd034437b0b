import type { ServerResponse } from 'node:http';
import type { RecordBatch } from 'apache-arrow';
import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { arrowStream, type SentColumns } from '../../schemas/arrow-stream.ts';
import type { RecycledBuffers } from '../../schemas/recycled-buffers.ts';

/** The content type of what goes in and out. */
export const arrowType = 'application/vnd.apache.arrow.stream';

/** What an answer is made of. */
export interface Answer {
  readonly metadata: Readonly<Record<string, string>>;
  /** Record batches, of which each must stay as it is until the next is asked for. */
  readonly batches: (signal: AbortSignal) => AsyncIterable<RecordBatch | SentColumns>;
  /** Bytes of the whole, where they are known before it is made. */
  readonly length?: number | undefined;
}

/**
 * Sends an answer message by message: the next is made when the one before is with the system, so a slow client holds one,
 * and what of it lies in the memory of rows is not copied. When the client is gone, what makes the answer is ended. Throws
 * what fails before anything is sent; later on the connection is closed, and the log told. Gives the reply once nothing
 * of the answer is read any more.
 */
export async function sendAnswer(
  reply: FastifyReply,
  { metadata, batches, length }: Answer,
  { log, buffers }: { readonly log: Logger; readonly buffers: RecycledBuffers },
): Promise<FastifyReply> {
  const { raw } = reply;
  const gone = goneOf(reply);
  const isGone = () => gone.aborted || isDestroyed(reply);
  const messages = arrowStream(batches(gone), metadata, buffers);
  let next: IteratorResult<readonly Uint8Array[]>;
  try {
    next = await messages.next();
  } catch (error) {
    // What is ended for want of a client fails for nobody.
    if (!isGone()) throw error;
    next = { done: true, value: undefined };
  }
  reply.hijack();
  try {
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) raw.setHeader(name, value);
    }
    raw.setHeader('content-type', arrowType);
    raw.setHeader('cache-control', 'no-store');
    if (length !== undefined) raw.setHeader('content-length', length);
    for (; !next.done && !isGone(); next = await messages.next()) await written(raw, next.value, gone);
    if (isGone()) raw.destroy();
    else raw.end();
  } catch (error) {
    if (!isGone()) log.error({ err: error, url: reply.request.url }, 'an answer failed');
    raw.destroy();
  } finally {
    await messages.return(undefined);
  }
  return reply;
}

/** Writes pieces in one call to the system, and waits until it has them all, or the client is gone. */
function written(raw: ServerResponse, pieces: readonly Uint8Array[], gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      gone.removeEventListener('abort', done);
      resolve();
    };
    // What is written after the connection's end is told to nobody.
    gone.addEventListener('abort', done);
    raw.cork();
    pieces.forEach((piece, i) => {
      if (i + 1 < pieces.length) raw.write(piece);
      else raw.write(piece, done);
    });
    raw.uncork();
  });
}

const isDestroyed = ({ raw, request }: FastifyReply) => raw.destroyed || request.raw.socket.destroyed;

/** Aborted when the answer is over, or its client gone. */
export function goneOf(reply: FastifyReply): AbortSignal {
  const { socket } = reply.request.raw;
  const gone = new AbortController();
  const abort = () => {
    reply.raw.off('close', abort);
    socket.off('close', abort);
    gone.abort(new Error('the client is gone'));
  };
  if (isDestroyed(reply)) {
    abort();
    return gone.signal;
  }
  reply.raw.on('close', abort);
  // An answer that waits for the one before it on the connection isn't told of the connection's end. Many may wait.
  socket.setMaxListeners(0);
  socket.on('close', abort);
  return gone.signal;
}
