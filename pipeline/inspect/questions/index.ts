import { drops } from './drops.ts';
import { duplicates } from './duplicates.ts';
import { funnel } from './funnel.ts';
import { languages } from './languages.ts';
import { learnability } from './learnability.ts';
import { mix } from './mix.ts';
import { outliers } from './outliers.ts';
import type { Question } from './question.ts';
import { regions } from './regions.ts';
import { selections } from './selections.ts';

/** The ready questions by name, in the order in which they are listed. */
export const questions: Readonly<Record<string, Question>> = {
  funnel,
  mix,
  languages,
  drops,
  duplicates,
  regions,
  learnability,
  selections,
  outliers,
};
