import type { RecordBatch } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { batchOf, column } from '../../schemas/batches.ts';
import { rowTypes } from '../../schemas/rows.ts';
import { identifyLanguage, identifyLanguageOptionsSchema } from '../../stages/identify-language.ts';

async function run(batch: RecordBatch): Promise<RecordBatch> {
  const lost = () => expect.unreachable('no row is lost');
  const context = { signal: new AbortController().signal, quarantine: lost, drop: lost };
  const source = (async function* () {
    yield batch;
  })();
  for await (const found of identifyLanguage(identifyLanguageOptionsSchema.parse({})).run(source, context))
    return found;
  throw new Error('the stage yielded no batch');
}

const altTexts = { type: rowTypes.alt_texts, values: [['schwarze Katze'], null, [null, 'chat'], ['hotel']] };

describe('identifyLanguage', () => {
  it('adds the language and its probability to every row', async () => {
    const languages = { type: rowTypes.page_language, values: ['de', 'en', 'fr-FR', null] };
    const found = await run(batchOf({ alt_texts: altTexts, page_language: languages }));
    expect([...column(found, 'language')].slice(0, 3)).toEqual(['de', 'und', 'fr']);
    const scores = [...column(found, 'language_score')] as number[];
    expect(scores).toHaveLength(4);
    expect(scores[0]).toBeGreaterThan(0.9);
    expect(scores[1]).toBe(0);
  });

  it('goes by the texts alone where pages declare nothing', async () => {
    const found = await run(batchOf({ alt_texts: altTexts }));
    expect(column(found, 'language').get(0)).toBe('de');
  });
});
