import { access } from 'node:fs/promises';
import type { TensorValue } from './executor.ts';
import { checkParameters } from './flat-parameters.ts';
import { readSafetensors, writeSafetensors } from './safetensors.ts';
import { type Parameters, parameterShapes, type TowersConfig } from './towers.ts';
import type { Moments } from './trainer.ts';

/** What continues a training run to the bit: the weights, Adam's memory, and what the run's loop remembers. */
export interface TrainingState {
  readonly parameters: Parameters;
  readonly moments: Moments;
  /** What the loop remembers beside them, as JSON: its random state, its place in the data, its curve. */
  readonly progress?: unknown;
  /** Tensors that the loop remembers, by name. */
  readonly tensors?: Readonly<Record<string, TensorValue>> | undefined;
}

/** What must be the same for a run to go on, by name: digests of its recipe, its data. */
export type RunIdentity = Readonly<Record<string, string>>;

const parts = ['parameters', 'first', 'second'] as const;
const own = 'loop/';

/**
 * Saves the state of a training run as one safetensors file in single precision, which appears whole or not at all.
 * `identity` says which run it is of. Throws when the state doesn't fit the config.
 */
export async function saveTrainingState(
  path: string,
  config: TowersConfig,
  { parameters, moments, progress = null, tensors = {} }: TrainingState,
  identity: RunIdentity,
): Promise<void> {
  const all: Record<string, TensorValue> = {};
  const kept = { parameters, first: moments.first, second: moments.second };
  for (const [part, values] of Object.entries(kept)) {
    checkParameters(parameterShapes(config), values);
    for (const [name, value] of Object.entries(values)) all[`${part}/${name}`] = value;
  }
  for (const [name, value] of Object.entries(tensors)) all[`${own}${name}`] = value;
  const metadata = {
    identity: JSON.stringify(identity),
    step: String(moments.step),
    progress: JSON.stringify(progress),
  };
  await writeSafetensors(path, all, metadata, { dtype: 'F32' });
}

/**
 * Loads what {@link saveTrainingState} saved; null where there is no file. Throws, naming the file, when it is of
 * another run (saying what differs), or holds anything else.
 */
export async function loadTrainingState(
  path: string,
  config: TowersConfig,
  identity: RunIdentity,
): Promise<TrainingState | null> {
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  const { tensors, metadata } = await readSafetensors(path);
  const step = Number(metadata.step);
  const known = parseRecord(metadata.identity);
  if (known === null || metadata.progress === undefined || !Number.isSafeInteger(step) || step < 0) {
    throw new Error(`${path} is no state of a training run: delete it to start over`);
  }
  const differing = Object.keys(identity).filter((name) => known[name] !== identity[name]);
  if (differing.length > 0) {
    const what = `${differing.join(' and ')} ${differing.length > 1 ? 'differ' : 'differs'}`;
    throw new Error(`${path} is of another run (its ${what}): delete it to start over`);
  }
  const layout = parameterShapes(config);
  const within = (prefix: string) =>
    Object.fromEntries(
      Object.entries(tensors).flatMap(([name, value]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
      ),
    );
  const [parameters = {}, first = {}, second = {}] = parts.map((part) => {
    const values = within(`${part}/`);
    checkParameters(layout, values);
    return values;
  });
  const progress: unknown = JSON.parse(metadata.progress);
  return { parameters, moments: { step, first, second }, progress, tensors: within(own) };
}

function parseRecord(text: string | undefined): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
