import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Keeps a client whose answer is being made, for as long as that takes: the idle timeout of its connection, which runs
 * then too, counts only while a body comes in or an answer waits to be taken. A client that vanished without a word is
 * found by the system, which begins to ask for it after `idle` milliseconds, and asks as long as it is set to: on Linux 9
 * times in 11 minutes.
 */
export function keepWhileAtWork(request: IncomingMessage, response: ServerResponse, idle: number): void {
  request.socket.setKeepAlive(true, idle);
  response.on('timeout', (socket: { destroy(): void }) => {
    const isAtWork = request.complete && response.writableLength === 0;
    if (!isAtWork) socket.destroy();
  });
}
