import { describe, expect, it } from 'vitest';
import { strataOf } from '../../pipeline/distill/choose-batch.ts';

const languages = ['en', 'de', 'en', 'fr', 'de', 'de', 'en', 'ja'];
const open = Uint32Array.from(languages, (_, i) => i);
const of = (english: number | null, batch = 4) =>
  strataOf(open, languages, { batch, strata: 'language', english }).map((one) => [[...one.rows], one.batch]);
const [english, rest] = [
  [0, 2, 6],
  [1, 3, 4, 5, 7],
];

describe('strata by language', () => {
  it("have the mix's share of a batch, and make up for one another", () => {
    expect(of(0.5)).toEqual([
      [english, 2],
      [rest, 2],
    ]);
    expect(of(1)).toEqual([
      [english, 3],
      [rest, 1],
    ]);
  });

  it('have their own share where the rows are taken as they come', () => {
    expect(of(null, 8)).toEqual([
      [english, 3],
      [rest, 5],
    ]);
    expect(of(null, 3)).toEqual([
      [english, 1],
      [rest, 2],
    ]);
  });
});
