import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

/** The program's log: to stderr, readable on a terminal and JSON lines elsewhere; `ASSAY_LOG` sets the level. */
export function createLog(): Logger {
  const level = process.env.ASSAY_LOG ?? 'info';
  if (process.stderr.isTTY) {
    return pino(
      { level },
      pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' }),
    );
  }
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
