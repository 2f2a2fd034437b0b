import type { RecordBatch, Vector } from 'apache-arrow';
import { embedEncoded, type Teacher } from '../../models/teacher.ts';
import { column } from '../../schemas/batches.ts';
import { imageBytes } from '../../schemas/provenance.ts';
import { hashUniform } from '../../schemas/random.ts';
import { findGenericWords, type GenericWordsOptions } from './find-generic-words.ts';
import { namingWords } from './ngram-queries.ts';

/** A bounded sample of a data set's captioned images, by language. */
export interface CaptionSample {
  /** Takes what belongs to the sample from a batch: rows with `key`, `sha256`, `image`, `alt_texts`, `language`. */
  add(batch: RecordBatch): Promise<void>;
  /** The generic words that the sample shows, by language; languages without any are left out. */
  genericWords(): Map<string, ReadonlySet<string>>;
}

const decodedAtOnce = 4;

interface Sampled {
  readonly sha256: string;
  readonly draw: number;
  readonly key: string;
  readonly words: ReadonlySet<string>;
  readonly embedding: Float32Array;
}

/**
 * Samples different images of each language: those with the smallest draws, by hash of their bytes and the seed, so that
 * the same are chosen whatever the order of the rows. Of rows with the same bytes the first by key counts. Only
 * images that enter the sample are embedded: of a data set that is much larger, few. Holds `sample` (d + a few words) numbers a language.
 */
export function createCaptionSample(
  teacher: Pick<Teacher, 'dimension' | 'imageSize' | 'embedImages' | 'embedEncoded'>,
  options: GenericWordsOptions,
  { seed, maxPixels }: { readonly seed: number; readonly maxPixels: number },
): CaptionSample {
  const languages = new Map<string, { images: Map<string, Sampled>; largest: number }>();
  return {
    async add(batch) {
      const [keys, hashes] = [column(batch, 'key'), column(batch, 'sha256')];
      const [texts, spoken] = [column(batch, 'alt_texts'), column(batch, 'language')];
      const entering: { row: number; language: string; draw: number }[] = [];
      for (let row = 0; row < batch.numRows; row += 1) {
        const language: string = spoken.get(row);
        const of = languages.get(language) ?? { images: new Map(), largest: Number.POSITIVE_INFINITY };
        languages.set(language, of);
        const draw = hashUniform(hashes.get(row), `${seed}:captions`);
        const held = of.images.get(hashes.get(row));
        if (draw <= of.largest && (held === undefined || keys.get(row) < held.key)) {
          entering.push({ row, language, draw });
        }
      }
      const embeddings = await embedRows(
        teacher,
        batch,
        entering.map(({ row }) => row),
        maxPixels,
      );
      entering.forEach(({ row, language, draw }, i) => {
        const [key, sha256]: [string, string] = [keys.get(row), hashes.get(row)];
        const images = languages.get(language)?.images;
        const held = images?.get(sha256);
        if (held !== undefined && held.key <= key) return;
        const words = namingWords([...((texts.get(row) as Vector | null) ?? [])] as string[], language);
        const embedding = embeddings.slice(i * teacher.dimension, (i + 1) * teacher.dimension);
        images?.set(sha256, { sha256, draw, key, words, embedding });
      });
      for (const of of languages.values()) {
        if (of.images.size <= options.sample) continue;
        const sorted = inOrder(of.images);
        for (const { sha256 } of sorted.slice(options.sample)) of.images.delete(sha256);
        of.largest = sorted[options.sample - 1]?.draw ?? 0;
      }
    },
    genericWords() {
      const found = new Map<string, ReadonlySet<string>>();
      for (const [language, { images }] of languages) {
        const words = findGenericWords(inOrder(images), options);
        if (words.size > 0) found.set(language, words);
      }
      return found;
    },
  };
}

function inOrder(images: ReadonlyMap<string, Sampled>): Sampled[] {
  return [...images.values()].sort((a, b) => a.draw - b.draw || (a.sha256 < b.sha256 ? -1 : 1));
}

function embedRows(
  teacher: Pick<Teacher, 'imageSize' | 'embedImages' | 'embedEncoded'>,
  batch: RecordBatch,
  rows: readonly number[],
  maxPixels: number,
): Promise<Float32Array> {
  const images = rows.map((row) => imageBytes(batch, row));
  return embedEncoded(teacher, images, { maxPixels, concurrency: decodedAtOnce });
}
