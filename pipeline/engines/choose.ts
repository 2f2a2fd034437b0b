import type { RedisConnection } from './bullmq/connection.ts';
import { bullmqEngine } from './bullmq.ts';
import type { Engine } from './engine.ts';
import { localEngine } from './local.ts';

/** What an engine is chosen by. */
export interface EngineChoice {
  readonly redis: RedisConnection | null;
  /** Processes of the local engine, one a core when absent. */
  readonly workers: number | undefined;
  readonly warn: (message: string) => void;
}

/** Workers by Redis where there is one, processes of this machine where there is none. */
export function engineOf({ redis, workers, warn }: EngineChoice): Engine {
  if (redis !== null) return bullmqEngine({ redis, warn });
  return localEngine(workers === undefined ? {} : { workers });
}
