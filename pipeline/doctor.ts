import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';

/** One line of what the doctor found. */
export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly ok: boolean;
  /** How to get what is missing. */
  readonly advice?: string;
}

const require = createRequire(import.meta.url);

/**
 * Versions, threads, the executors that models can run on, each started, and what is missing with how to get it. Never
 * throws.
 */
export async function examine(): Promise<Finding[]> {
  return [
    nodeVersion(),
    { what: 'threads', found: String(availableParallelism()), ok: true },
    { what: 'memory', found: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`, ok: true },
    await probe('onnxruntime-node', 'npm ci', async () => {
      const { listSupportedBackends } = await import('onnxruntime-node');
      const backends = listSupportedBackends().map(({ name }) => name);
      return `executes on ${backends.join(', ')}`;
    }),
    await probe('@tensorflow/tfjs', 'npm ci', async () => {
      const tf = await import('@tensorflow/tfjs');
      return `autodiff and the oracle, backends ${tf.engine().backendNames().join(', ')}`;
    }),
    await probe('sharp', 'npm ci', async () => {
      const { default: sharp } = await import('sharp');
      return `libvips ${sharp.versions.vips}`;
    }),
    await probe('@duckdb/node-api', 'npm ci', async () => {
      const { version } = await import('@duckdb/node-api');
      return `DuckDB ${version()}`;
    }),
    ...(await executors()),
    await optional(
      '@tensorflow/tfjs-node-gpu',
      'npm install --no-save @tensorflow/tfjs-node-gpu --ignore-scripts=false',
    ),
    await optional(
      '@tensorflow/tfjs-node',
      'npm install --no-save @tensorflow/tfjs-node --ignore-scripts=false',
    ),
  ];
}

/** Every executor on every provider. The processor must be there; the others are for those who have them. */
async function executors(): Promise<Finding[]> {
  try {
    const { findExecutors } = await import('../models/open-executor.ts');
    return (await findExecutors()).map((one) => {
      const what = `executor ${one.name} on ${one.provider}`;
      if (one.executor) return { what, found: 'starts', ok: true };
      const ok = what !== 'executor onnx on cpu';
      return { what, found: `not there${ok ? ' (optional)' : ''}: ${one.why}`, ok, advice: one.advice };
    });
  } catch (error) {
    const found = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return [{ what: 'executors', found, ok: false, advice: 'npm ci' }];
  }
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  const finding = { what: 'node', found: process.version, ok };
  return ok ? finding : { ...finding, advice: 'Node 20.19 or newer is needed' };
}

async function probe(name: string, advice: string, describe: () => Promise<string>): Promise<Finding> {
  try {
    const what = `${name} ${installedVersion(name)}`;
    return { what, found: await describe(), ok: true };
  } catch (error) {
    const found = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { what: name, found, ok: false, advice };
  }
}

async function optional(name: string, advice: string): Promise<Finding> {
  let found = '';
  try {
    found = installedVersion(name);
    await import(name);
    return { what: name, found, ok: true };
  } catch (error) {
    if (found === '')
      return { what: name, found: 'not installed (optional: eager TensorFlow)', ok: true, advice };
    // Installed without its native library, which ignore-scripts leaves out.
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return {
      what: name,
      found: `${found} is installed and doesn't load (optional): ${why}`,
      ok: true,
      advice,
    };
  }
}

/** A package's version, also where its `exports` hide its package.json. Throws when it isn't installed. */
function installedVersion(name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    const path = join(folder, name, 'package.json');
    if (existsSync(path)) return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
  }
  throw new Error(`${name} is not installed`);
}
