import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalText, createSiglipTokenizer } from '../../models/siglip/tokenizer.ts';
import { toyId, toyTokenizer } from './toy-siglip.ts';

const special = { eos_token: { content: '<eos>' }, pad_token: '<pad>' };
const [eos, pad] = [toyId('<eos>'), toyId('<pad>')];
const ids = (text: string) => [...text].map(toyId);
const second = createSiglipTokenizer(toyTokenizer(), special, 'siglip2');
const first = createSiglipTokenizer(toyTokenizer(), special, 'siglip');
const row = (text: string, length: number, tokenize = second) => [...tokenize([text], length)];

describe("SigLIP 2's tokens", () => {
  it('are the pieces, the end, and pads', () => {
    expect(row('red cat', 10)).toEqual([...ids('red cat'), eos, pad, pad]);
    expect(row('', 3)).toEqual([eos, pad, pad]);
  });

  it('are cut so that the end stays', () => {
    expect(row('abcdefgh', 8)).toEqual([...ids('abcdefg'), eos]);
    expect(row('abcdefg', 8)).toEqual([...ids('abcdefg'), eos]);
  });

  it('begin with no token of their own, whatever the tokenizer adds to a text', () => {
    const added = {
      ...toyTokenizer(),
      post_processor: {
        type: 'TemplateProcessing',
        single: [
          { SpecialToken: { id: '<bos>', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '<eos>', type_id: 0 } },
        ],
        pair: [],
        special_tokens: {
          '<bos>': { id: '<bos>', ids: [toyId('<bos>')], tokens: ['<bos>'] },
          '<eos>': { id: '<eos>', ids: [eos], tokens: ['<eos>'] },
        },
      },
    };
    expect([...createSiglipTokenizer(added, special, 'siglip2')(['ab'], 5)]).toEqual([
      ...ids('ab'),
      eos,
      pad,
      pad,
    ]);
  });

  it('lie row by row, each of the length, each with one end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 12 }),
        (texts, length) => {
          const tokens = second(texts, length);
          expect(tokens).toHaveLength(texts.length * length);
          texts.forEach((text, i) => {
            const own = [...tokens.subarray(i * length, (i + 1) * length)];
            expect(own).toEqual(row(text, length));
            const end = own.indexOf(eos);
            expect(end).toBeGreaterThanOrEqual(0);
            expect(own.slice(end + 1).every((id) => id === pad)).toBe(true);
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('need a tokenizer that has an end and pads', () => {
    expect(() =>
      createSiglipTokenizer(toyTokenizer(), { ...special, pad_token: '<none>' }, 'siglip2'),
    ).toThrow(/no token <none>/);
  });
});

describe('texts as the towers were trained on them', () => {
  it("lower-case ASCII alone for SigLIP 2, as TensorFlow's lower does", () => {
    expect(canonicalText('A Red ÉCLAIR, ДОМ!', 'siglip2')).toBe('a red Éclair, ДОМ!');
    expect(row('RÉ', 4)).toEqual([...ids('rÉ'), eos, pad]);
  });

  it('lower-case letter by letter where the tokenizer itself does', () => {
    const lowering = { ...toyTokenizer(), normalizer: { type: 'Lowercase' } };
    const pieces = Object.entries(lowering.model.vocab);
    const greek = { ...lowering, model: { ...lowering.model, vocab: Object.fromEntries(pieces) } };
    greek.model.vocab.σ = pieces.length;
    expect(row('aΣ', 4, createSiglipTokenizer(greek, special, 'siglip2'))).toEqual([
      ...ids('a'),
      pieces.length,
      eos,
      pad,
    ]);
  });

  it('lower-case all and drop punctuation for SigLIP', () => {
    expect(canonicalText('  A "Red"  ÉCLAIR, ДОМ!\n', 'siglip')).toBe('a red éclair дом');
    expect(canonicalText('▁a▁ b▁', 'siglip')).toBe('a b');
    expect(row('R-É!', 4, first)).toEqual([...ids('ré'), eos, pad]);
  });
});
