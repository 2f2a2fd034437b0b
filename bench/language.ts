import { type Identifier, identifierOf, loadMembers } from '../models/language/identifier.ts';
import { createLanguageFinder, identifyOptionsSchema } from '../models/language/identify.ts';
import { memberNames } from '../models/language/member.ts';
import { loadLanguageModel } from '../models/language/model-file.ts';
import { readTrainingTexts } from '../pipeline/train-language.ts';
import { hashUniform } from '../schemas/random.ts';
import { type FoundLanguage, languageFigures } from './language-figures.ts';
import { type EvaluationText, readEvaluationSets } from './language-texts.ts';

/** Where Debian's package tuxpaint-stamps-default puts its captions; TUXPAINT_STAMPS names another folder. */
const stampsFolder = process.env.TUXPAINT_STAMPS ?? '/usr/share/tuxpaint/stamps';

/** The sets whose texts make up the figures that have no name of a set: short texts, in and out of the domain. */
const shortSets = ['names', 'phrases'];

/** Share of the pages that declare their own language where declarations are tried. */
const rightDeclarations = 0.9;

type Find = (text: EvaluationText) => FoundLanguage;

/**
 * Measures language identification on texts that train nothing: the project's identifier with its defaults, with its
 * n-grams alone, with pages that declare their language (nine in ten rightly), and fastText and eld by themselves, on
 * the very same texts. A text that several languages share is right as any of them. Figures without a prefix are the
 * defaults' on the short sets together; `<identifier>.<set>.<figure>` are the others.
 */
export async function benchLanguage(): Promise<Record<string, number | string>> {
  const model = await loadLanguageModel();
  const corpus = readTrainingTexts(model.languages);
  const read = readEvaluationSets(model.languages, corpus, stampsFolder);
  const sets = new Map([['short', shortSets.flatMap((name) => read.get(name) ?? [])], ...read]);
  const members = await loadMembers(memberNames, model.languages);
  const options = identifyOptionsSchema.parse({});
  const pooled = identifierOf(
    model,
    members.filter(({ name }) => options.members.includes(name)),
  );
  const own = (identifier: Identifier, declare: (text: EvaluationText) => string | null): Find => {
    const finder = createLanguageFinder(identifier, options);
    return (text) => finder.find([text.text], declare(text));
  };
  const identifiers = new Map<string, Find>([
    ['assay', own(pooled, () => null)],
    ['declared', own(pooled, (text) => declaredOf(text, model.languages))],
    ['ngrams', own(identifierOf(model, []), () => null)],
    ...members.map((member) => [member.name, ({ text }: EvaluationText) => member.find(text)] as const),
  ]);
  const figures: Record<string, number | string> = {};
  for (const [name, find] of identifiers) {
    for (const [set, texts] of sets) {
      const started = performance.now();
      const found = texts.map(find);
      const textsPerSecond = Math.round(texts.length / ((performance.now() - started) / 1000));
      const measured = { ...languageFigures(texts, found), textsPerSecond };
      for (const [figure, value] of Object.entries(measured)) {
        const rounded = Math.round(value * 1e4) / 1e4;
        if (name === 'assay' && set === 'short') figures[figure] = rounded;
        else figures[`${name}.${set}.${figure}`] = rounded;
      }
    }
  }
  return figures;
}

/** What a page of the text declares: its language, or, wrongly, mostly English. */
function declaredOf({ text, language }: EvaluationText, languages: readonly string[]): string {
  if (hashUniform(`${language} ${text}`, 'declared rightly') < rightDeclarations) return language;
  // Pages in any language say `en` when nobody set it.
  if (language !== 'en' && hashUniform(text, 'left at en') < 0.5) return 'en';
  const others = languages.filter((other) => other !== language);
  return others[Math.floor(hashUniform(text, 'declared wrongly') * others.length)] ?? 'en';
}
