import { describe, expect, it } from 'vitest';
import {
  askMembers,
  identifierOf,
  loadIdentifier,
  poolScores,
  scoreText,
} from '../../models/language/identifier.ts';
import {
  identify,
  identifyOptionsSchema,
  languagePosterior,
  languagePrior,
} from '../../models/language/identify.ts';
import type { Member } from '../../models/language/member.ts';
import { toyIdentifier, toyModel } from './toy-model.ts';

const defaults = identifyOptionsSchema.parse({});
const toy = toyIdentifier();
const own = await loadIdentifier(defaults.members);

/** A member that gives the same scores of every text, and counts its texts. */
function constantMember(scores: readonly number[]): Member & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    name: 'eld',
    asked,
    knows: scores.map(() => true),
    score(text, into) {
      asked.push(text);
      into.set(scores);
    },
    find: () => ({ language: 'en', score: 1 }),
  };
}

describe('scoreText', () => {
  it('sums what the n-grams speak for each language, for those of the script alone', () => {
    const full = toyIdentifier({ ...toyModel(), table: new Int8Array(24).fill(50) });
    // "a" has 3 code points with its boundaries: a, " a", "a ", " a ": four n-grams of 0.5 each.
    expect([...(scoreText(full, 'a')?.scores[0] ?? [])]).toEqual([2, 2, 0]);
    expect([...(scoreText(full, 'a')?.candidates ?? [])]).toEqual([0, 1]);
  });

  it('takes sums times n^-exponent', () => {
    const full = { ...toyModel(), table: new Int8Array(24).fill(50), exponent: 1 };
    expect(scoreText(toyIdentifier(full), 'a cat a')?.scores[0]?.[0]).toBeCloseTo(0.5, 9);
  });

  it('has nothing to say without letters, or of a script that no language is written in', () => {
    expect(scoreText(toy, '42')).toBeNull();
    expect(scoreText(toy, '猫')).toBeNull();
  });
});

describe('poolScores', () => {
  it('adds biases and weighted scores, and what a language deviates', () => {
    const identifier = identifierOf({ ...toyModel(), table: new Int8Array(24) }, [constantMember([1, 2, 3])]);
    const scored = scoreText(identifier, 'cat');
    if (scored === null) throw new Error('the text has letters');
    const asked = askMembers(identifier.members, 'cat', scored);
    expect([...poolScores(identifier.pool, asked)]).toEqual([2, 0.5 + 3 * 2, Number.NEGATIVE_INFINITY]);
  });

  it('takes weights between the knots by the logarithm of the letters', () => {
    const model = { ...toyModel(), table: new Int8Array(24) };
    const pool = { ...model.pools[1], weights: [new Array(6).fill(0), [0, 1, 2, 3, 4, 5]] };
    const identifier = identifierOf(
      {
        ...model,
        pools: [
          ...model.pools.slice(0, 1),
          {
            ...pool,
            members: ['eld'],
            deviations: [
              [0, 0, 0],
              [0, 0, 0],
            ],
            biases: [0, 0, 0],
          },
        ],
      },
      [constantMember([1, 0, 0])],
    );
    const english = (text: string) => {
      const scored = scoreText(identifier, text);
      return scored && poolScores(identifier.pool, askMembers(identifier.members, text, scored))[0];
    };
    expect(english('a')).toBe(0);
    expect(english('abcd')).toBe(1);
    expect(english('abcdef')).toBeCloseTo(Math.log2(6) - 1, 9);
    expect(english('a'.repeat(500))).toBe(5);
  });
});

describe('identifierOf', () => {
  it('is refused where the model has no pool for the members', () => {
    const member = { ...constantMember([]), name: 'fasttext' as const };
    expect(() => identifierOf(toyModel(), [member])).toThrow(
      'no pool for the members fasttext: it has none; eld',
    );
  });
});

describe('identifyOptionsSchema', () => {
  it('puts members in the order of the pools, whatever order they are given in', () => {
    expect(identifyOptionsSchema.parse({ members: ['eld', 'fasttext', 'eld'] }).members).toEqual([
      'fasttext',
      'eld',
    ]);
  });
});

describe('languagePrior', () => {
  it('shares what the declared language leaves by the shares of the web', () => {
    const prior = languagePrior(toy.model, 'de', { ...defaults, declaredBelief: 0.8, shareWeight: 1 });
    expect([...prior].map((p) => Math.round(p * 1e6) / 1e6)).toEqual([0.171429, 0.8, 0.028571]);
  });

  it('is uniform when shares count for nothing', () => {
    expect([...languagePrior(toy.model, null, { ...defaults, shareWeight: 0 })]).toEqual([
      1 / 3,
      1 / 3,
      1 / 3,
    ]);
  });
});

describe('languagePosterior', () => {
  it('follows the formula of Bayes', () => {
    const scored = scoreText(toy, 'cat');
    const [en = 0, de = 0] = scored?.scores[0] ?? [];
    const posterior = languagePosterior(toy, ['cat'], null, { ...defaults, shareWeight: 1 });
    const odds = Math.exp(en - de) * (0.6 / 0.3);
    expect(posterior?.[0]).toBeCloseTo(odds / (1 + odds), 9);
  });

  it('asks members where the n-grams are not sure, and not where they are', () => {
    const member = constantMember([0, 10, 0]);
    const identifier = identifierOf(toyModel(), [member]);
    const german = (sureScore: number) =>
      languagePosterior(identifier, ['cat'], null, { ...defaults, sureScore })?.[1] ?? 0;
    expect(german(0.5)).toBeLessThan(0.5);
    expect(member.asked).toEqual([]);
    expect(german(1)).toBeGreaterThan(0.99);
    expect(member.asked).toEqual(['cat']);
  });

  it('has nothing to say without letters', () => {
    expect(languagePosterior(toy, ['42', '!'], 'en', defaults)).toBeNull();
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
