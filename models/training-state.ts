import { access } from 'node:fs/promises';
import { checkParameters } from './flat-parameters.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { type Parameters, parameterShapes, type TowersConfig } from './towers.ts';
import type { Moments } from './trainer.ts';

/** What continues a training run to the bit: the weights and Adam's memory. */
export interface TrainingState {
  readonly parameters: Parameters;
  readonly moments: Moments;
}

const parts = ['parameters', 'first', 'second'] as const;

/**
 * Saves the state of a training run as one safetensors file in single precision, which appears whole or not at all.
 * `identity` says which run it is of. Throws when the state doesn't fit the config.
 */
export async function saveTrainingState(
  path: string,
  config: TowersConfig,
  { parameters, moments }: TrainingState,
  identity: string,
): Promise<void> {
  const tensors: Record<string, Parameters[string]> = {};
  for (const [part, values] of Object.entries({
    parameters,
    first: moments.first,
    second: moments.second,
  })) {
    checkParameters(parameterShapes(config), values);
    for (const [name, value] of Object.entries(values)) tensors[`${part}/${name}`] = value;
  }
  await writeSafetensors(path, tensors, { identity, step: String(moments.step) }, { dtype: 'F32' });
}

/**
 * Loads what {@link saveTrainingState} saved; null where there is no file. Throws, naming the file, when it is of
 * another run, or holds anything else.
 */
export async function loadTrainingState(
  path: string,
  config: TowersConfig,
  identity: string,
): Promise<TrainingState | null> {
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  const { tensors, metadata } = await readSafetensors(path);
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step < 0) throw new Error(`${path} is no state of a training run`);
  if (metadata.identity !== identity) {
    throw new Error(`${path} is of a run with another recipe or other data: delete it to start over`);
  }
  const layout = parameterShapes(config);
  const [parameters = {}, first = {}, second = {}] = parts.map((part) => {
    const own = Object.fromEntries(
      Object.keys(layout).flatMap((name) => {
        const value = tensors[`${part}/${name}`];
        return value === undefined ? [] : [[name, value]];
      }),
    );
    checkParameters(layout, own);
    return own;
  });
  return { parameters, moments: { step, first, second } };
}
