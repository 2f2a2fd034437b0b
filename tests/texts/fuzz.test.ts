import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchOf, column } from '../../schemas/batches.ts';
import { rowTypes } from '../../schemas/rows.ts';
import { cleanRow, cleanTexts, cleanTextsOptionsSchema } from '../../stages/clean-texts.ts';
import { cleanText } from '../../stages/texts/clean-text.ts';
import { countedText } from '../../stages/texts/counted-text.ts';
import { judgeText, sourceUnits, textFilters } from '../../stages/texts/judge-text.ts';
import { rememberingContext, runStage } from '../support.ts';

const options = cleanTextsOptionsSchema.parse({ maxCharacters: 200 });
const reasons: readonly string[] = [...textFilters, 'empty'];

/** Texts as pages, programs and attackers write them: any code units, and pieces that cleaning looks for. */
const pieces = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    '&amp;',
    '&#0;',
    '&#x110000;',
    '&amp;amp;lt;b&gt;',
    '<b>',
    '</p',
    '<!--',
    '<script>',
    '</script>',
  ),
  fc.constantFrom(
    'https://',
    'www.',
    'a@b.c',
    '.jpg',
    '?',
    '{{',
    '}}',
    '\u200D',
    '\u202E',
    '\uD83D',
    '\uDC00',
    '\uFFFD',
  ),
  fc.constantFrom(
    '猫',
    'แมว',
    'می\u200Cخواهم',
    '👨\u200D👩',
    '\u{E0041}',
    'e\u0301',
    '\u0958',
    ' ',
    '\u3000',
    '0',
  ),
);
const texts = fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join(''));

describe('texts of any kind', () => {
  it('are cleaned and judged, each with a text that is sound or a reason', () => {
    fc.assert(
      fc.property(texts, (raw) => {
        const { text, fault } = judgeText(raw, options);
        expect(text).toBe(text.normalize('NFC').trim());
        expect(text).not.toMatch(/\p{Cs}/u);
        expect(text).not.toMatch(/\s\s|[\p{Cc}\u200B\u202A-\u202E\uFEFF]/u);
        if (fault === undefined) {
          expect(text).toMatch(/\p{L}/u);
          expect([...text].length).toBeLessThanOrEqual(options.maxCharacters);
        } else {
          expect(reasons).toContain(fault.reason);
          expect(fault.value.length).toBeLessThan(80);
        }
        expect(() => countedText(text)).not.toThrow();
      }),
      { numRuns: 1200 },
    );
  });

  it('say the same when they are cleaned again, but for what was encoded more than thrice', () => {
    fc.assert(
      fc.property(
        texts.filter((raw) => !raw.includes('&')),
        (raw) => {
          const once = cleanText(raw);
          if (!/[&<>@./[\](){}]/u.test(once)) expect(cleanText(once)).toBe(once);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are bounded, however long they come', () => {
    const bound = sourceUnits * options.maxCharacters;
    for (const piece of [
      'a',
      '猫',
      '&amp;',
      '<b>',
      '\uD83D',
      '\u0958',
      'a@b.c ',
      '\u200D',
      '\uFDFA',
      '{{',
      'e\u0301',
    ]) {
      const raw = piece.repeat(1_000_000 / piece.length);
      const { text, fault } = judgeText(raw, options);
      expect(fault?.reason).toBe('too-long');
      // Composition takes at most three code units for one.
      expect(text.length).toBeLessThanOrEqual(3 * bound);
      const { texts: kept } = cleanRow([raw], { ...options, mode: 'label' });
      expect(kept.join('').length).toBeLessThanOrEqual(3 * bound);
    }
  });

  it('of a row are kept, removed or labelled, and every row is accounted for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.array(fc.option(texts), { maxLength: 6 })), { minLength: 1, maxLength: 12 }),
        fc.constantFrom('drop' as const, 'label' as const),
        async (lists, mode) => {
          const { context, dropped } = rememberingContext();
          const keys = lists.map((_, i) => `row-${i}`);
          const batch = batchOf({
            key: { type: rowTypes.key, values: keys },
            alt_texts: { type: rowTypes.alt_texts, values: lists },
          });
          const out = await runStage(cleanTexts({ ...options, mode }), context, batch);
          const kept = out.flatMap((one) => [...column(one, 'key')]);
          expect([...kept, ...dropped.map(({ key }) => key)].sort()).toEqual([...keys].sort());
          if (mode === 'label') expect(kept).toEqual(keys);
          for (const { value, reason, threshold } of dropped) {
            expect([reason, threshold]).toEqual(['no-alt-text', '1 alt-text']);
            expect(value).not.toBe('');
          }
          for (const one of out) {
            for (let i = 0; i < one.numRows; i += 1) {
              const left = [...column(one, 'alt_texts').get(i)];
              if (left.length > 0) expect(left).toContain(column(one, 'text').get(i));
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
