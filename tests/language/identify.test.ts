import { describe, expect, it } from 'vitest';
import {
  identify,
  identifyOptionsSchema,
  languagePosterior,
  languagePrior,
  scoreLanguages,
} from '../../models/language/identify.ts';
import { loadLanguageModel } from '../../models/language/model-file.ts';
import { toyModel } from './toy-model.ts';

const defaults = identifyOptionsSchema.parse({});
const toy = toyModel();
const own = await loadLanguageModel();

describe('scoreLanguages', () => {
  it('sums the log-probabilities of the n-grams', () => {
    // "a" has 3 code points with its boundaries: a, " a", "a ", " a ": four n-grams of -10 each, all codes 0.
    const empty = { ...toy, table: new Uint8Array(24) };
    expect([...scoreLanguages(empty, 'a')]).toEqual([-40, -40, Number.NEGATIVE_INFINITY]);
    const full = { ...toy, table: new Uint8Array(24).fill(100) };
    expect(scoreLanguages(full, 'a')[0]).toBeCloseTo(4 * (-10 + 100 * 0.05), 4);
  });

  it('is 0 for a text without a letter', () => expect([...scoreLanguages(toy, '42')]).toEqual([0, 0, 0]));
});

describe('languagePrior', () => {
  it('shares what the declared language leaves by the shares of the web', () => {
    const prior = languagePrior(toy, 'de', { ...defaults, declaredBelief: 0.8, shareWeight: 1 });
    expect([...prior].map((p) => Math.round(p * 1e6) / 1e6)).toEqual([0.171429, 0.8, 0.028571]);
  });

  it('is uniform when shares count for nothing', () => {
    expect([...languagePrior(toy, null, { ...defaults, shareWeight: 0 })]).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });
});

describe('languagePosterior', () => {
  it('follows the formula of Bayes with tempered likelihoods', () => {
    const [en = 0, de = 0] = scoreLanguages(toy, 'cat');
    const posterior = languagePosterior(toy, ['cat'], null, { ...defaults, shareWeight: 1 });
    const odds = Math.exp(0.1 * (en - de)) * (0.6 / 0.3);
    expect(posterior?.[0]).toBeCloseTo(odds / (1 + odds), 4);
  });

  it('counts less for each n-gram the more there are, by the exponent', () => {
    const tempered = { ...toy, temper: { scale: 0.1, exponent: 1 } };
    const options = { ...defaults, shareWeight: 0 };
    const once = languagePosterior(tempered, ['cat'], null, options)?.[0];
    const often = languagePosterior(tempered, ['cat', 'cat', 'cat'], null, options)?.[0];
    expect(often).toBeCloseTo(once ?? 0, 5);
  });

  it('has nothing to say without letters, or of a script that no language is written in', () => {
    expect(languagePosterior(toy, ['42', '!'], 'en', defaults)).toBeNull();
    expect(languagePosterior(toy, ['猫'], 'en', defaults)).toBeNull();
  });
});

describe('identify', () => {
  it.each([
    ['en', ['A black cat sleeping on a sofa']],
    ['de', ['Eine schwarze Katze schläft auf dem Sofa']],
    ['fr', ['Un chat noir qui dort sur le canapé']],
    ['es', ['Un gato negro durmiendo en el sofá']],
    ['ru', ['Чёрная кошка спит на диване']],
    ['uk', ['Чорна кішка спить на дивані']],
    ['zh', ['黑猫睡在沙发上']],
    ['ja', ['ソファで寝ている黒い猫']],
    ['ko', ['소파에서 자고 있는 검은 고양이']],
    ['ar', ['قطة سوداء تنام على الأريكة']],
    ['fa', ['گربه سیاه روی مبل خوابیده است']],
    ['hi', ['सोफे पर सोती हुई काली बिल्ली']],
    ['th', ['แมวดำนอนบนโซฟา']],
    ['el', ['Μαύρη γάτα κοιμάται στον καναπέ']],
    ['tr', ['Kanepede uyuyan siyah kedi']],
    ['vi', ['Con mèo đen ngủ trên ghế sofa']],
    ['he', ['חתול שחור ישן על הספה']],
    ['ta', ['சோபாவில் தூங்கும் கருப்பு பூனை']],
  ])('finds %s', (language, texts) => {
    expect(identify(own, texts, null, defaults).language).toBe(language);
  });

  it('lets the declared language decide where the text is short', () => {
    const text = ['hotel'];
    expect(identify(own, text, 'nl-NL', defaults).language).toBe('nl');
    expect(identify(own, text, 'pl', defaults).language).toBe('pl');
  });

  it('is not led by a wrong declaration where the text is clear', () => {
    expect(identify(own, ['Eine schwarze Katze schläft auf dem Sofa'], 'en', defaults).language).toBe('de');
    expect(identify(own, ['黑猫睡在沙发上'], 'en-US', defaults).language).toBe('zh');
  });

  it('gives a declared language up to the belief in it', () => {
    const score = (declaredBelief: number) =>
      identify(own, ['hotel'], 'nl', { ...defaults, declaredBelief }).score;
    expect(score(0.95)).toBeGreaterThan(score(0.85));
  });

  it('reads the texts of a page as one', () => {
    const score = (texts: readonly string[]) => identify(own, texts, null, defaults).score;
    expect(score(['Katze', 'schläft auf dem Sofa'])).toBeGreaterThan(score(['Katze']));
  });

  it('says und below the threshold, with the likeliest language’s probability', () => {
    const sure = identify(own, ['kat'], null, { ...defaults, minScore: 0 });
    const unsure = identify(own, ['kat'], null, { ...defaults, minScore: sure.score + 0.001 });
    expect(unsure).toEqual({ language: 'und', score: sure.score });
  });

  it.each([[[]], [['12345']], [['😀']]])('says und of %j', (texts) => {
    expect(identify(own, texts, 'en', defaults)).toEqual({ language: 'und', score: 0 });
  });
});
