import { checkParameters } from './flat-parameters.ts';
import { readSafetensors, type StoredFloat, writeSafetensors } from './safetensors.ts';
import { type Parameters, parameterShapes, type TowersConfig, towersConfigSchema } from './towers.ts';

/** A pair of towers as it was saved. */
export interface SavedTowers {
  readonly config: TowersConfig;
  readonly parameters: Parameters;
  /** What else was noted at saving. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The metadata key under which the config is kept, as JSON. */
const configKey = 'towers';

/**
 * Saves towers as a safetensors file whose metadata holds the config. The file appears whole or not at all. Throws
 * when the parameters don't fit the config.
 */
export async function saveTowers(
  path: string,
  config: TowersConfig,
  parameters: Parameters,
  metadata: Readonly<Record<string, string>> = {},
  dtype: StoredFloat = 'F32',
): Promise<void> {
  checkParameters(parameterShapes(config), parameters);
  await writeSafetensors(path, parameters, { ...metadata, [configKey]: JSON.stringify(config) }, { dtype });
}

/** Loads towers that {@link saveTowers} saved. Throws, naming the file, when it holds anything else. */
export async function loadTowers(path: string): Promise<SavedTowers> {
  const { tensors, metadata } = await readSafetensors(path);
  const { [configKey]: text, ...rest } = metadata;
  if (text === undefined) {
    throw new Error(`${path} is not a checkpoint of towers: its metadata has no '${configKey}'`);
  }
  const config = parseConfig(path, text);
  const layout = parameterShapes(config);
  try {
    checkParameters(layout, tensors);
  } catch (error) {
    throw new Error(`${path} doesn't fit its own config: ${error instanceof Error ? error.message : error}`);
  }
  // The file's order is by name; callers get the towers' own.
  const parameters = Object.fromEntries(
    Object.keys(layout).flatMap((name) => {
      const value = tensors[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return { config, parameters, metadata: rest };
}

function parseConfig(path: string, text: string): TowersConfig {
  try {
    return towersConfigSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(
      `${path}: the config of its towers is invalid: ${error instanceof Error ? error.message : error}`,
    );
  }
}
