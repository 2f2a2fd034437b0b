import type { RunTables } from './run-tables.ts';

/**
 * How kept rows' languages agree with the truth: English recall, English among rows of other languages (false
 * positives), the mean over languages of the share identified right (`und` is wrong), and the share identified right
 * of rows whose page declares a wrong language.
 */
export async function languageFigures(tables: RunTables): Promise<Record<string, number>> {
  const joined = `(SELECT t.language AS spoken, k.language AS found, t.defects
    FROM kept k JOIN truth t USING (key))`;
  const share = (condition: string, of: string) =>
    tables.number(`SELECT avg((${condition})::INT) FROM ${joined} WHERE ${of}`);
  return {
    languageEnglishRecall: await share("found = 'en'", "spoken = 'en'"),
    languageEnglishFalsePositives: await share("found = 'en'", "spoken <> 'en'"),
    languageUndetermined: await share("found = 'und'", 'true'),
    languageMacroTop1: await tables.number(
      `SELECT avg(share) FROM (SELECT avg((found = spoken)::INT) AS share FROM ${joined} GROUP BY spoken)`,
    ),
    languageWronglyDeclaredTop1: await share('found = spoken', "list_contains(defects, 'wrongLanguage')"),
  };
}
