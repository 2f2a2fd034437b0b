import type { RecordBatch, Vector } from 'apache-arrow';
import type { z } from 'zod';
import { loadIdentifier } from '../models/language/identifier.ts';
import {
  createLanguageFinder,
  identifyOptionsSchema,
  type LanguageFinder,
} from '../models/language/identify.ts';
import { columnData, withColumns } from '../schemas/batches.ts';
import { numberData, textData } from '../schemas/parquet-reader/arrow-columns.ts';
import { curatedTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';
import { textLists } from '../schemas/text-columns.ts';

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
  let loading: Promise<LanguageFinder> | undefined;
  return {
    name: 'identify-language',
    async *run(batches) {
      loading ??= loadIdentifier(options.members, modelPath).then((loaded) =>
        createLanguageFinder(loaded, options),
      );
      const finder = await loading;
      for await (const batch of batches) yield identifyBatch(finder, batch);
    },
  };
}

function identifyBatch(finder: LanguageFinder, batch: RecordBatch): RecordBatch {
  const altTexts = batch.getChild('alt_texts');
  const lists = altTexts === null ? null : textLists(columnData(batch, 'alt_texts'));
  const declared = batch.getChild('page_language') as Vector | null;
  const languages = new Array<string>(batch.numRows);
  const scores = new Float32Array(batch.numRows);
  for (let row = 0; row < batch.numRows; row += 1) {
    const page = (declared?.get(row) ?? null) as string | null;
    const only = lists?.only(row) ?? -1;
    const found =
      lists === null || only < 0
        ? finder.find(lists?.texts(row) ?? [], page)
        : finder.findBytes(
            lists.bytes,
            lists.offsets[only] as number,
            lists.offsets[only + 1] as number,
            page,
          );
    languages[row] = found.language;
    scores[row] = found.score;
  }
  return withColumns(batch, {
    language: textData(curatedTypes.language, languages),
    language_score: numberData(curatedTypes.language_score, scores),
  });
}
