import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanText, judgeText } from '../../stages/texts/judge-text.ts';

const options = { minCharacters: 2, maxCharacters: 100, boilerplate: ['Shop of Wonders'] };

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
  ])('takes out %s', (_, raw, expected) => expect(cleanText(raw)).toBe(expected));

  it.each([
    ['the joiner of Persian', 'می\u200Cخواهم'],
    ['the joiner of Hindi', 'क्\u200Dष'],
    ['the final joiner of Malayalam', 'അവന്\u200D'],
    ['emoji joined to a family', 'family 👨\u200D👩\u200D👧'],
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
  ])('rejects %j as %s', (raw, reason) => expect(judgeText(raw, options)).toEqual({ reason }));

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
    expect(judgeText(text, options)).toEqual({ text });
    expect(judgeText(`${text}b`, options)).toEqual({ reason: 'too-long' });
  });
});
