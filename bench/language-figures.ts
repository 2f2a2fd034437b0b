import type { EvaluationText } from './language-texts.ts';

/** What an identifier found of one text; `und` is no language. */
export interface FoundLanguage {
  readonly language: string;
  readonly score: number;
}

/** What an identifier is worth on a set of texts. */
export interface LanguageFigures {
  readonly texts: number;
  readonly languages: number;
  /** Share of the English texts that are found to be English. */
  readonly englishRecall: number;
  /** Share of the other texts that are found to be English, those left out that are an English text too. */
  readonly englishFalsePositives: number;
  /** Share of texts whose language is found (`und` is not), a mean over the languages. */
  readonly macroTop1: number;
  /** Of what is found to be another language than English, what is, where 90% of the texts are English. */
  readonly nonEnglishPrecision: number;
  /** Share of texts that are given a language. */
  readonly coverage: number;
  /** Expected calibration error: how far the scores are from the share of right answers, over 15 bins (Guo et al., 2017). */
  readonly calibrationError: number;
}

const bins = 15;
const english = 'en';
const none = 'und';

/** Figures of what an identifier found of texts, `found` being in their order. Throws when there is one too few. */
export function languageFigures(
  texts: readonly EvaluationText[],
  found: readonly FoundLanguage[],
): LanguageFigures {
  const languages = new Map<string, { texts: number; right: number }>();
  const own = { texts: 0, found: 0, elsewhere: 0 };
  const others = { texts: 0, english: 0, elsewhere: 0 };
  const scores = Array.from({ length: bins }, () => ({ score: 0, right: 0 }));
  let given = 0;
  for (const [i, { language, accepted }] of texts.entries()) {
    const { language: answer, score } = found[i] ?? missing(i);
    const right = accepted.has(answer);
    const tally = languages.get(language) ?? { texts: 0, right: 0 };
    languages.set(language, { texts: tally.texts + 1, right: tally.right + Number(right) });
    if (language === english) {
      own.texts += 1;
      own.found += Number(answer === english);
      own.elsewhere += Number(answer !== english && answer !== none && !right);
    } else if (!accepted.has(english)) {
      others.texts += 1;
      others.english += Number(answer === english);
      others.elsewhere += Number(answer !== english && answer !== none);
    }
    if (answer === none) continue;
    given += 1;
    const bin = scores[Math.min(bins - 1, Math.floor(score * bins))] ?? { score: 0, right: 0 };
    bin.score += score;
    bin.right += Number(right);
  }
  const genuine = (0.1 * others.elsewhere) / others.texts;
  const leaked = (0.9 * own.elsewhere) / own.texts;
  const shares = [...languages.values()].map((tally) => tally.right / tally.texts);
  return {
    texts: texts.length,
    languages: languages.size,
    englishRecall: own.found / own.texts,
    englishFalsePositives: others.english / others.texts,
    macroTop1: sum(shares) / shares.length,
    nonEnglishPrecision: genuine / (genuine + leaked),
    coverage: given / texts.length,
    calibrationError: sum(scores.map(({ score, right }) => Math.abs(score - right))) / given,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function missing(i: number): never {
  throw new Error(`text ${i} has no answer`);
}
