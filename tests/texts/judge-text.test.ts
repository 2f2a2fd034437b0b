import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanTextsOptionsSchema } from '../../stages/clean-texts.ts';
import { cleanText } from '../../stages/texts/clean-text.ts';
import { judgeText } from '../../stages/texts/judge-text.ts';

const options = cleanTextsOptionsSchema.parse({ maxCharacters: 100, boilerplate: ['Shop of Wonders'] });
const reasonOf = (raw: string, more: object = {}) => judgeText(raw, { ...options, ...more }).fault?.reason;

describe('cleanText', () => {
  it.each([
    ['entities, encoded once', 'Fish &#x26; chips', 'Fish & chips'],
    ['entities, encoded three times', 'caf&amp;amp;eacute;', 'café'],
    ['tags within a word', '&lt;b&gt;ca&lt;/b&gt;t', 'cat'],
    ['tags between words', 'black<br/>cat<p class="x">sits', 'black cat sits'],
    ['a script with its program', 'cat <script>alert(1)</script> sits', 'cat sits'],
    ['an address', 'cat see https://example.com/a?b=c#d here', 'cat see here'],
    ['a path without a scheme', 'cat on shop.example.com/cats/1', 'cat on'],
    ['an address glued to Chinese', '猫https://a.com/b睡觉', '猫 睡觉'],
    ['the brackets of an e-mail address', 'cat (me.too@x.co.uk)', 'cat'],
    ['the separator of an address', 'black cat | www.cats.com', 'black cat'],
    ['control characters', 'black\u0000cat\tsits\r\n', 'black cat sits'],
    ['zero-width spaces and marks', '\uFEFFHe\u200Bllo\u200E wor\u00ADld', 'Hello world'],
    ['white space of all kinds', ' a\u00A0\u3000b \n c ', 'a b c'],
    ['decomposed letters', 'Cafe\u0301', 'Caf\u00E9'],
    ['a joiner in a script that needs none', 'a\u200Cb\u200Dc', 'abc'],
    ['an emoji left with a hanging joiner', 'cat 👨\u200D', 'cat 👨'],
    ['text hidden in tag characters', 'cat\u{E0001}\u{E0068}\u{E0069}', 'cat'],
    ['marks that turn the direction', 'abc \u202Egnp.x\u202C', 'abc gnp.x'],
    ['lone surrogates', 'cat \uD83D sits', 'cat sits'],
  ])('takes out %s', (_, raw, expected) => expect(cleanText(raw)).toBe(expected));

  it.each([
    ['the joiner of Persian', 'می\u200Cخواهم'],
    ['the joiner of Hindi', 'क्\u200Dष'],
    ['the final joiner of Malayalam', 'അവന്\u200D'],
    ['emoji joined to a family', 'family 👨\u200D👩\u200D👧'],
    ['the flag of a region', 'Wales 🏴\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}'],
    ['signs of mathematics', 'a <3 b > c & d'],
    ['accents, tones and marks', 'Việt Nam กล้องถ่ายรูป हिन्दी'],
    ['a name with a full stop', 'St. Moritz, Amazon.com'],
    ['dashes at the ends', '-5 °C –'],
  ])('keeps %s', (_, text) => expect(cleanText(text)).toBe(text));

  it('gives text in composed form without white space at its ends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (raw) => {
        const text = cleanText(raw);
        expect(text).toBe(text.normalize('NFC').trim());
        expect(text).not.toMatch(/\s\s|\p{Cc}/u);
      }),
    );
  });
});

describe('judgeText', () => {
  it.each([
    ['IMG_2041.JPG', 'file-name'],
    ['DSC00012', 'file-name'],
    ['P1040123', 'file-name'],
    ['IMG-20200101-WA0003', 'file-name'],
    ['WhatsApp Image 2020-01-01 at 12.00.00', 'file-name'],
    ['uploads/2020/05/cat.png?w=300', 'file-name'],
    ['3f2a9bc1d4e5f60718293a4b5c6d7e8f', 'file-name'],
    ['HASH(0x81a2f)', 'file-name'],
    ['image', 'placeholder'],
    ['Photo 2 of 7', 'placeholder'],
    ['[untitled]', 'placeholder'],
    ['Без названия', 'placeholder'],
    ['图片 3', 'placeholder'],
    ['صورة', 'placeholder'],
    ['© 2020 Cats Ltd. All rights reserved.', 'footer'],
    ['Click to enlarge', 'footer'],
    ['Free worldwide shipping!', 'footer'],
    ['Kostenloser Versand ab 20 €', 'footer'],
    ['送料無料', 'footer'],
    ['shop of wonders', 'boilerplate'],
    ['{{ image.alt }}', 'template-remains'],
    ['[object Object]', 'template-remains'],
    ['ca\uFFFD', 'broken-encoding'],
    ['12345 – 7!!', 'no-letters'],
    ['https://example.com/cat', 'no-letters'],
    ['😀', 'no-letters'],
    [' \n', 'empty'],
    ['x', 'too-short'],
    ['cat '.repeat(30), 'too-long'],
    ['&'.repeat(10_000), 'too-long'],
  ])('rejects %j as %s', (raw, reason) => expect(reasonOf(raw)).toBe(reason));

  it.each([
    ['New York 1999'],
    ['Samsung Galaxy S21'],
    ['photo of a black cat'],
    ['Eine schwarze Katze schläft.'],
    ['猫'],
    ['か'],
    ['고양이 사진'],
    ['แมวดำ'],
    ['قطة سوداء نائمة'],
    ['काली बिल्ली'],
    ['Чёрная кошка'],
    ['ಕಪ್ಪು ಬೆಕ್ಕು'],
    ['Freie Fahrt'],
    ['Donaudampfschifffahrtsgesellschaft'],
  ])('keeps %j', (text) => expect(judgeText(text, options)).toEqual({ text }));

  it('measures characters, not code units', () => {
    const text = `a${'𝒳'.repeat(99)}`;
    const repeating = { ...options, maxRepetition: 1 };
    expect(judgeText(text, repeating)).toEqual({ text });
    expect(judgeText(`${text}b`, repeating).fault).toEqual({
      reason: 'too-long',
      value: '101 characters',
      threshold: '100 characters',
    });
  });

  it.each([
    ['buy shoes buy shoes buy shoes buy shoes', 'words 0.75'],
    ['hahahahahahahaha', 'characters 0.83'],
    ['哈哈哈哈哈哈哈哈哈哈哈哈哈哈', 'characters 0.90'],
  ])('rejects %j, which repeats itself', (raw, value) => {
    expect(judgeText(raw, options).fault).toEqual({ reason: 'repetition', value, threshold: '0.65' });
  });

  it.each([
    ['Black cat on a sofa - Black cat on a sofa'],
    ['the cat and the dog and the bird and the fish'],
    ['Bora Bora, Bora Bora'],
    ['Walla Walla'],
  ])('lets %j repeat itself', (raw) => expect(reasonOf(raw)).toBeUndefined());

  it('counts words as the script writes them', () => {
    const enough = (raw: string, minWords: number) => reasonOf(raw, { minWords }) === undefined;
    expect(enough('a black cat', 3)).toBe(true);
    expect(enough('a black cat', 4)).toBe(false);
    expect(enough('黑猫睡在沙发上', 4)).toBe(true);
    expect(enough('แมวดำนอนหลับ', 3)).toBe(true);
    expect(enough('黒い猫が眠る', 8)).toBe(false);
  });

  it("compares as DataComp's basic filter does: more than 2 words, more than 5 characters", () => {
    const basic = { minWords: 3, minCharacters: 6, filters: ['too-short', 'too-few-words'] };
    expect(reasonOf('a b cd', basic)).toBeUndefined();
    expect(reasonOf('a b c', basic)).toBe('too-short');
    expect(reasonOf('abc def', basic)).toBe('too-few-words');
    expect(reasonOf('click to enlarge', basic)).toBeUndefined();
  });

  it('says how short a text is, and how short it may be', () => {
    expect(judgeText('x', options).fault).toEqual({
      reason: 'too-short',
      value: '1 character',
      threshold: '2 characters',
    });
  });

  it('gives the text, cleaned, also when something is wrong with it', () => {
    expect(judgeText('<b>IMG_1.JPG</b>', options).text).toBe('IMG_1.JPG');
    expect(judgeText('https://example.com/cat', options).text).toBe('https://example.com/cat');
    expect(judgeText('a'.repeat(1_000_000), options).text.length).toBeLessThanOrEqual(16 * 100);
  });

  it('asks the filters that it is told to, and lets no empty text pass', () => {
    expect(reasonOf('IMG_2041.JPG', { filters: ['placeholder'] })).toBeUndefined();
    expect(reasonOf(' ', { filters: [] })).toBe('empty');
    expect(reasonOf('https://example.com/cat', { filters: [] })).toBe('no-letters');
  });
});
