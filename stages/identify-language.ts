import type { RecordBatch, Vector } from 'apache-arrow';
import type { z } from 'zod';
import { type Identifier, loadIdentifier } from '../models/language/identifier.ts';
import { identify, identifyOptionsSchema } from '../models/language/identify.ts';
import { withColumns } from '../schemas/batches.ts';
import { curatedTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/** Settings of {@link identifyLanguage}: those of the identifier. */
export const identifyLanguageOptionsSchema = identifyOptionsSchema;

/** Settings of {@link identifyLanguage}, defaults filled in. */
export type IdentifyLanguageOptions = z.infer<typeof identifyLanguageOptionsSchema>;

/**
 * Adds `language` and `language_score`: the language that a row's `alt_texts` share, with `page_language` as a
 * prior where the row has one. No row is lost: one whose language cannot be told is `und`. The identifier
 * is loaded once a run, its model by default the program's own; throws when the model's file is no whole model.
 */
export function identifyLanguage(options: IdentifyLanguageOptions, modelPath?: string): Stage {
  let loading: ReturnType<typeof loadIdentifier> | undefined;
  return {
    name: 'identify-language',
    async *run(batches) {
      loading ??= loadIdentifier(options.members, modelPath);
      const identifier = await loading;
      for await (const batch of batches) yield identifyBatch(identifier, batch, options);
    },
  };
}

function identifyBatch(
  identifier: Identifier,
  batch: RecordBatch,
  options: IdentifyLanguageOptions,
): RecordBatch {
  const altTexts = batch.getChild('alt_texts') as Vector | null;
  const declared = batch.getChild('page_language') as Vector | null;
  const languages: string[] = [];
  const scores = new Float32Array(batch.numRows);
  for (let row = 0; row < batch.numRows; row += 1) {
    const texts = [...((altTexts?.get(row) ?? []) as Iterable<string | null>)].filter(
      (text) => text !== null,
    );
    const found = identify(identifier, texts, (declared?.get(row) ?? null) as string | null, options);
    languages.push(found.language);
    scores[row] = found.score;
  }
  return withColumns(batch, {
    language: { type: curatedTypes.language, values: languages },
    language_score: { type: curatedTypes.language_score, values: scores },
  });
}
