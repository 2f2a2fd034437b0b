import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { redact } from '../schemas/redact.ts';

/** The program's log: to stderr, readable on a terminal and JSON lines elsewhere; `ASSAY_LOG` sets the level. No secret is in it. */
export function createLog(): Logger {
  const level = process.env.ASSAY_LOG ?? 'info';
  const hooks = { streamWrite: redact };
  if (process.stderr.isTTY) {
    return pino(
      { level, hooks },
      pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' }),
    );
  }
  return pino({ level, base: null, hooks }, pino.destination({ dest: 2, sync: true }));
}
