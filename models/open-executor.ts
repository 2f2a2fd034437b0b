import type { ComputeOptions } from './compute-options.ts';
import type { Executor, Provider } from './executor.ts';
import { createOnnxExecutor } from './onnx-executor.ts';
import { isFaster, providerAdvice, whyNot } from './onnx-providers.ts';
import { findTensorflow, type LoadPackage, type Missing } from './tensorflow-executor.ts';

/** An executor on a provider, ready, or why it isn't. */
export type Presence = { readonly name: ComputeOptions['executor']; readonly provider: Provider | 'auto' } & (
  | { readonly executor: Executor }
  | Missing
);

/**
 * Makes the executor that was asked for, after it has run a graph. Throws one line that says what isn't there and how
 * to get it.
 */
export async function openExecutor(options: ComputeOptions, load?: LoadPackage): Promise<Executor> {
  const { executor, provider, threads } = options;
  if (executor === 'tensorflow') {
    const found = await findTensorflow(provider ?? 'auto', load);
    if (found.executor) return found.executor;
    throw new Error(`the executor tensorflow isn't there: ${found.why}. Get it: ${found.advice}`);
  }
  if (provider === 'auto') return fastest(threads);
  const wanted = provider ?? 'cpu';
  // The processor is always there.
  const why = wanted === 'cpu' ? null : await whyNot(wanted);
  if (why !== null) {
    throw new Error(`the provider ${wanted} doesn't start: ${why}. Get it: ${providerAdvice[wanted]}`);
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
        : { ...at, executor: null, why, advice: providerAdvice[provider] },
    );
  }
  const tensorflow = await findTensorflow('auto');
  found.push({ name: 'tensorflow', provider: tensorflow.executor?.provider ?? 'auto', ...tensorflow });
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
