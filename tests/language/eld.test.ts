import { eld } from 'eld/large';
import { describe, expect, it } from 'vitest';
import { loadEld } from '../../models/language/eld.ts';
import { parseEldTable } from '../../models/language/eld-table.ts';
import { ourName } from '../../models/language/member.ts';

const names = Object.values(eld.info().Languages);
const member = await loadEld(names.map(ourName));

const texts =
  `A black cat asleep on the sofa|Eine schwarze Katze schläft|猫|чёрная кошка спит на диване|the|an|a|cats|catty
l'été d’un chat|don't 12 stop!|गुलाबी बिल्ली|ソファで寝ている黒い猫|𐐀𐐁|42|x-ray|I | |Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenfabrik
قطة سوداء تنام على الأريكة|Con mèo đen ngủ trên ghế sofa|İSTANBUL|constructor|__proto__`.split(/[|\n]/u);

describe('loadEld', () => {
  it.each([...texts, `${'katze '.repeat(300)}`, 'ab '.repeat(117), `${'ё'.repeat(174)} б ${'я'.repeat(40)}`])(
    'scores %j as the package does',
    (text) => {
      const found = eld.detect(text);
      const expected = new Map(Object.entries(found.getScores()));
      const scores = new Float64Array(names.length);
      member.score(text, scores);
      const bounded = names.map((name) => Math.min(expected.get(name) ?? 0, 0.999));
      for (const [l, score] of bounded.entries()) expect(scores[l]).toBeCloseTo(score / (1 - score), 9);
      const language = found.language === '' ? 'und' : ourName(found.language);
      expect(member.find(text).language).toBe(language);
      expect(member.find(text).score).toBeCloseTo(expected.get(found.language) ?? 0, 12);
    },
  );
});

describe('parseEldTable', () => {
  const source = (ngrams: string) => `{type:'L2',languages:{0:'am',1:'ar'},ngrams:{${ngrams}}};`;

  it('reads n-grams in quotes of either kind, bare and escaped', () => {
    const { languages, places, starts, owners, scores } = parseEldTable(
      source(String.raw`5656:{1:0},' a"b':{0:3,1:255},"it's":{0:7},'\\\'x':{},L_é:{1:2}`),
    );
    expect(languages).toEqual(['am', 'ar']);
    const ngrams = ['5656', ' a"b', "it's", "\\'x", 'L_é'];
    expect(ngrams.map((ngram) => places.get(ngram))).toEqual([0, 1, 2, 3, 4]);
    expect(['565', '56565', "'x", 'L_ê', ''].map((ngram) => places.get(ngram))).toEqual(
      Array(5).fill(undefined),
    );
    expect([...starts]).toEqual([0, 1, 3, 4, 4, 5]);
    expect([[...owners], [...scores]]).toEqual([
      [1, 0, 1, 0, 1],
      [0, 3, 255, 7, 2],
    ]);
  });

  it.each([`'ab':{2:1}`, `'ab':{0:256}`, `'ab':[0]`, `'ab'`])('refuses %j', (ngrams) => {
    expect(() => parseEldTable(source(ngrams))).toThrow('the package eld is not as it was');
  });
});
