import type { ComputeOptions } from './compute-options.ts';
import type { Executor, Provider } from './executor.ts';
import { createOnnxExecutor } from './onnx-executor.ts';
import { isFaster, providerAdvice, whyNot } from './onnx-providers.ts';
import { createTensorflowExecutor, type LoadPackage } from './tensorflow-executor.ts';

/** An executor on a provider, ready, or why it isn't. */
export type Presence = { readonly name: ComputeOptions['executor']; readonly provider: Provider | 'auto' } & (
  | { readonly executor: Executor }
  | { readonly executor: null; readonly why: string }
);

/**
 * Makes the executor that was asked for, after it has run a graph. Throws one line that says what isn't there and how
 * to get it.
 */
export async function openExecutor(options: ComputeOptions, load?: LoadPackage): Promise<Executor> {
  const { executor, provider, threads } = options;
  if (executor === 'tensorflow') return createTensorflowExecutor(provider ?? 'auto', load);
  if (provider === 'auto') return fastest(threads);
  const wanted = provider ?? 'cpu';
  // The processor is always there.
  const why = wanted === 'cpu' ? null : await whyNot(wanted);
  if (why !== null) {
    throw new Error(`the provider ${wanted} doesn't start: ${why}. It needs ${providerAdvice[wanted]}`);
  }
  return createOnnxExecutor({ provider: wanted, threads });
}

/** Starts every executor on every provider, and says what came of it. */
export async function findExecutors(threads?: number): Promise<Presence[]> {
  const found: Presence[] = [];
  for (const provider of ['cpu', 'webgpu', 'cuda'] as const) {
    const why = await whyNot(provider);
    const at = { name: 'onnx', provider } as const;
    found.push(
      why === null
        ? { ...at, executor: createOnnxExecutor({ provider, threads }) }
        : { ...at, executor: null, why },
    );
  }
  const tensorflow = await createTensorflowExecutor('auto').catch((error: Error) => error.message);
  const at = { name: 'tensorflow', provider: 'auto' } as const;
  found.push(
    typeof tensorflow === 'string'
      ? { ...at, executor: null, why: tensorflow }
      : { name: 'tensorflow', provider: tensorflow.provider, executor: tensorflow },
  );
  return found;
}

async function fastest(threads: number | undefined): Promise<Executor> {
  const processor = createOnnxExecutor({ threads });
  for (const provider of ['cuda', 'webgpu'] as const) {
    if ((await whyNot(provider)) !== null) continue;
    const executor = createOnnxExecutor({ provider, threads });
    if (await isFaster(executor, processor)) return executor;
  }
  return processor;
}
