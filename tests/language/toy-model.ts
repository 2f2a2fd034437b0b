import { readFeatures } from '../../models/language/features.ts';
import type { LanguageModel } from '../../models/language/model-file.ts';
import { scripts } from '../../models/language/scripts.ts';

/** Three languages over 8 buckets, in which English knows the n-grams of a text, German half of them, Russian none. */
export function toyModel(text = 'cat'): LanguageModel {
  const table = new Uint8Array(24);
  readFeatures(text).hashes.forEach((hash, i) => {
    table[(hash % 8) * 3] = 100;
    if (i % 2 === 0) table[(hash % 8) * 3 + 1] = 100;
  });
  return {
    version: 1,
    languages: ['en', 'de', 'ru'],
    buckets: 8,
    floor: -10,
    step: 0.05,
    temper: { scale: 0.1, exponent: 0 },
    shares: [0.6, 0.3, 0.1],
    scripts: [[scripts.indexOf('Latin')], [scripts.indexOf('Latin')], [scripts.indexOf('Cyrillic')]],
    table,
  };
}
