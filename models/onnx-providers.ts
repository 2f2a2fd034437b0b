import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Executor, Program, Provider } from './executor.ts';
import { createOnnxExecutor } from './onnx-executor.ts';

/** How to get what an execution provider of ONNX Runtime needs. */
export const providerAdvice: Readonly<Record<Provider, string>> = {
  cpu: 'npm ci',
  webgpu:
    'a GPU with its Vulkan driver and the Vulkan loader (Debian: apt install libvulkan1 mesa-vulkan-drivers; ' +
    "Mesa's software device starts from Mesa 25 on)",
  cuda:
    'an NVIDIA GPU with CUDA 12 and cuDNN 9, then: ' +
    'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false',
};

/** Starts one graph on a provider and checks what it gives. Null when it works, else why not, in one line. */
export async function whyNot(provider: Provider): Promise<string | null> {
  // ONNX Runtime writes to standard error what it fails to load: what can't be there isn't tried.
  if (provider === 'cuda' && !hasCudaLibraries()) return "ONNX Runtime's CUDA libraries aren't installed";
  const data = Float32Array.of(1, 2, 3, 4);
  try {
    const program = await createOnnxExecutor({ provider, threads: 1 }).compile(product(2));
    const { y } = await program.run({ x: { shape: [2, 2], dtype: 'float32', data } });
    await program.dispose();
    return y?.data.join() === '7,10,15,22' ? null : `it multiplied two matrices to [${y?.data.join(', ')}]`;
  } catch (error) {
    return lineOf(error);
  }
}

/**
 * Whether a provider multiplies matrices at least twice as fast as the processor: a GPU does many times over, and a
 * GPU that is imitated in software doesn't.
 */
export async function isFaster(executor: Executor, processor: Executor): Promise<boolean> {
  const [own, other] = [await secondsOf(executor), await secondsOf(processor)];
  return own * 2 <= other;
}

/** An error in one line, without where in ONNX Runtime's source it was thrown. */
function lineOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).trim().replaceAll(/\s+/g, ' ');
  return text.replace(/^\/onnxruntime_src\/.* was false\. /, '');
}

function product(size: number): Program {
  return {
    name: 'product',
    inputs: { x: { shape: [size, size], dtype: 'float32' } },
    build: ({ x }) => {
      if (x === undefined) throw new Error("the product was given no 'x'");
      return { y: tf.matMul(x, x) };
    },
  };
}

async function secondsOf(executor: Executor): Promise<number> {
  const size = 1024;
  const x = {
    shape: [size, size],
    dtype: 'float32',
    data: new Float32Array(size * size).fill(1e-3),
  } as const;
  const program = await executor.compile(product(size));
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 4; i += 1) {
    const started = performance.now();
    await program.run({ x });
    least = Math.min(least, performance.now() - started);
  }
  await program.dispose();
  return least / 1000;
}

function hasCudaLibraries(): boolean {
  // The package's main file is dist/index.js; its libraries lie beside its binding.
  const root = dirname(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')));
  const folder = join(root, 'bin', 'napi-v6', process.platform, process.arch);
  return ['libonnxruntime_providers_cuda.so', 'onnxruntime_providers_cuda.dll'].some((name) =>
    existsSync(join(folder, name)),
  );
}
