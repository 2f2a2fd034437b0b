import * as tf from '@tensorflow/tfjs';
import { createEagerExecutor } from './eager-executor.ts';
import type { Executor } from './executor.ts';

/** Runs programs eagerly on TF.js's plain JavaScript backend: slow, and the oracle of the tests. */
export function createTfjsExecutor(): Executor {
  // Keeps TF.js from advertising its native package on standard error.
  tf.enableProdMode();
  return createEagerExecutor({ name: 'tfjs-cpu', backend: 'cpu', provider: 'cpu' });
}
