import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { createEagerExecutor } from './eager-executor.ts';
import type { Executor, Provider } from './executor.ts';

/** Loads a package by its name; it rejects when the package isn't there or its native library doesn't load. */
export type LoadPackage = (name: string) => Promise<unknown>;

/** By Node's own resolution, under which a missing package has a code of its own. */
const loadInstalled: LoadPackage = async (name) => createRequire(import.meta.url)(name);

/** TF.js on TensorFlow's own library: both register the backend `tensorflow`. */
const packages = { gpu: '@tensorflow/tfjs-node-gpu', cpu: '@tensorflow/tfjs-node' } as const;
const backend = 'tensorflow';

/** Why something isn't there and how to get it, each in one line. */
export interface Missing {
  readonly executor: null;
  readonly why: string;
  readonly advice: string;
}

/**
 * Looks for the executor `tensorflow`: programs run eagerly on TensorFlow, from a package that is loaded at run time.
 * `auto` takes `@tensorflow/tfjs-node-gpu`, else `@tensorflow/tfjs-node`; `cuda` the first where it sees a GPU, `cpu`
 * the second.
 */
export async function findTensorflow(
  provider: Provider | 'auto',
  load: LoadPackage = loadInstalled,
): Promise<{ readonly executor: Executor } | Missing> {
  if (provider === 'webgpu') {
    const why = 'it runs on cpu or cuda, not on webgpu';
    return { executor: null, why, advice: 'compute.executor: onnx runs on webgpu' };
  }
  const wanted = { auto: [packages.gpu, packages.cpu], cuda: [packages.gpu], cpu: [packages.cpu] }[provider];
  const reasons: string[] = [];
  for (const name of wanted) {
    const started = await start(name, load);
    if (typeof started === 'string') {
      reasons.push(`${name} ${started}`);
    } else if (provider === 'cuda' && !started.onGpu) {
      reasons.push(`${name} sees no GPU`);
    } else {
      const device = started.onGpu ? 'cuda' : 'cpu';
      return { executor: createEagerExecutor({ name: backend, backend, provider: device }) };
    }
  }
  const advice = `npm install --no-save ${wanted[0]} --ignore-scripts=false`;
  return { executor: null, why: reasons.join('; '), advice };
}

/** Loads a package and starts its backend; the reason when it can't. */
async function start(name: string, load: LoadPackage): Promise<{ readonly onGpu: boolean } | string> {
  const previous = tf.engine().backendName;
  try {
    await load(name);
    if (!(await tf.setBackend(backend))) return 'is installed and its backend does not start';
    const { isUsingGpuDevice } = tf.engine().backend as { readonly isUsingGpuDevice?: boolean };
    return { onGpu: isUsingGpuDevice === true };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing =
      (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') && message.includes(`'${name}'`);
    return missing ? "isn't installed" : `doesn't load: ${message.trim().split('\n')[0]}`;
  } finally {
    if (previous) await tf.setBackend(previous);
  }
}
