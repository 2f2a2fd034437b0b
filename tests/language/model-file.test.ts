import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  decodeLanguageModel,
  encodeLanguageModel,
  languageModelPath,
  loadLanguageModel,
} from '../../models/language/model-file.ts';
import { scripts } from '../../models/language/scripts.ts';
import { toyModel } from './toy-model.ts';

const bytes = encodeLanguageModel(toyModel());
const decode = (changed: Uint8Array) => () => decodeLanguageModel(changed, 'toy.bin');

describe('a model file', () => {
  it('gives back the model that was written', () => {
    expect(decodeLanguageModel(bytes, 'toy.bin')).toEqual(toyModel());
  });

  it('is refused, with its name and the command to run, when it is another file', () => {
    expect(decode(new TextEncoder().encode('PAR1 and more'))).toThrow(
      /toy\.bin is no language model: it does not begin with ASSAYLID.*teach-language/u,
    );
  });

  it.each([9, 40, bytes.length - 30])('is refused when it ends after %i bytes', (length) => {
    expect(decode(bytes.subarray(0, length))).toThrow(/toy\.bin is no language model/u);
  });

  it('is refused when its table has too few or too many codes', () => {
    const model = toyModel();
    const short = encodeLanguageModel({ ...model, table: model.table.subarray(1) });
    expect(decode(short)).toThrow('its table has 23 codes where 8 x 3 are due');
    expect(decode(encodeLanguageModel({ ...model, table: new Int8Array(1000) }))).toThrow(
      'cannot be unpacked',
    );
  });

  it('is refused when a list of its header is not one item a language', () => {
    expect(decode(encodeLanguageModel({ ...toyModel(), shares: [1] }))).toThrow('1 shares for 3 languages');
  });

  it('is refused when a pool does not fit its languages', () => {
    const [pool, ...others] = toyModel().pools;
    const model = {
      ...toyModel(),
      pools: [
        { ...pool, members: [], weights: pool?.weights ?? [], biases: [0], deviations: [[0, 0, 0]] },
        ...others,
      ],
    };
    expect(decode(encodeLanguageModel(model))).toThrow('its pool of n-grams does not fit its languages');
  });

  it('is refused when its buckets are no power of two', () => {
    const model = { ...toyModel(), buckets: 7, table: new Int8Array(21) };
    expect(decode(encodeLanguageModel(model))).toThrow('7 buckets');
  });

  it('is asked for where it is missing', async () => {
    await expect(loadLanguageModel('/nowhere/model.bin')).rejects.toThrow(
      '/nowhere/model.bin cannot be read',
    );
  });
});

describe("the program's own model", () => {
  it('knows 109 languages, in at most 8 MB', async () => {
    const model = await loadLanguageModel();
    expect(new Set(model.languages).size).toBe(109);
    expect((await readFile(languageModelPath)).length).toBeLessThanOrEqual(8e6);
    expect(model.shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 4);
    expect(model.scripts.flat().every((script) => script < scripts.length)).toBe(true);
  });
});
