import { readFeatures } from '../../models/language/features.ts';
import { type Identifier, identifierOf } from '../../models/language/identifier.ts';
import type { LanguageModel } from '../../models/language/model-file.ts';
import { scripts } from '../../models/language/scripts.ts';

/** Three languages over 8 buckets, in which English knows the n-grams of a text, German half of them, Russian none. */
export function toyModel(text = 'cat'): LanguageModel {
  const table = new Int8Array(24);
  readFeatures(text).hashes.forEach((hash, i) => {
    table[(hash % 8) * 3] = 100;
    if (i % 2 === 0) table[(hash % 8) * 3 + 1] = 100;
  });
  return {
    version: 2,
    languages: ['en', 'de', 'ru'],
    buckets: 8,
    step: 0.01,
    exponent: 0,
    shares: [0.6, 0.3, 0.1],
    scripts: [[scripts.indexOf('Latin')], [scripts.indexOf('Latin')], [scripts.indexOf('Cyrillic')]],
    pools: [
      { members: [], weights: [[1, 1, 1, 1, 1, 1]], deviations: [[0, 0, 0]], biases: [0, 0, 0] },
      {
        members: ['eld'],
        weights: [
          [1, 1, 1, 1, 1, 1],
          [2, 2, 2, 2, 2, 2],
        ],
        deviations: [
          [0, 0, 0],
          [0, 1, 0],
        ],
        biases: [0, 0.5, 0],
      },
    ],
    table,
  };
}

/** The toy model by itself. */
export function toyIdentifier(model: LanguageModel = toyModel()): Identifier {
  return identifierOf(model, []);
}
