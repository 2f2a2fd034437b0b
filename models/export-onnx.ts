import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageProgram, textProgram } from './embedder.ts';
import { checkParameters } from './flat-parameters.ts';
import { traceProgram } from './onnx/trace.ts';
import { type Parameters, parameterShapes, type TowersConfig } from './towers.ts';

/**
 * Writes `image.onnx` (`images` [batch, H, W, 3] in [-1, 1]) and `text.onnx` (`tokens` int32 [batch, textTokens])
 * into a folder, which is made. Each holds its weights, takes any batch and gives unit rows `embeddings` [batch, d].
 * `assay.json` says what similarities are multiplied by, and what is added. Throws when the parameters don't fit the config.
 */
export async function exportTowersOnnx(
  config: TowersConfig,
  parameters: Parameters,
  dir: string,
): Promise<void> {
  const layout = parameterShapes(config);
  checkParameters(layout, parameters);
  await mkdir(dir, { recursive: true });
  const batch = batchMarker(Object.values(layout).flat());
  const programs = [
    imageProgram(config, parameters, batch),
    textProgram(config, parameters, batch, config.textTokens),
  ];
  for (const program of programs) {
    const { model } = traceProgram(program, batch);
    const path = join(dir, `${program.name}.onnx`);
    await writeFile(`${path}.tmp`, model);
    await rename(`${path}.tmp`, path);
  }
  const logits = {
    logitScale: Math.exp(parameters.logit_scale_log?.data[0] ?? 0),
    logitBias: parameters.logit_bias?.data[0] ?? 0,
  };
  await writeFile(join(dir, 'assay.json'), `${JSON.stringify(logits, null, 2)}\n`);
}

/** A batch size to trace with that no other size is a multiple of: a prime above all of the model's own. */
function batchMarker(sizes: readonly number[]): number {
  let candidate = Math.max(1000, ...sizes) + 1;
  while (!isPrime(candidate)) candidate += 1;
  return candidate;
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor += 1) if (n % divisor === 0) return false;
  return n > 1;
}
