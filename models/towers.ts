export { patchesOf, type TowersConfig, towersConfigSchema } from './towers/config.ts';
export { embedImages, embedPatches, type PatchTensors } from './towers/image-tower.ts';
export {
  decaysWeight,
  initializeParameters,
  type Parameters,
  parameterShapes,
} from './towers/parameters.ts';
export { embedTokens } from './towers/text-tower.ts';
