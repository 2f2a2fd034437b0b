import { decodeRgb } from '../../models/images.ts';
import { normalizePixels } from '../../models/pixels.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import type { EvaluationScores } from '../../schemas/reports.ts';
import { rankOfOwn, recallAt } from './recall.ts';

/** What embeds images and texts into one space: a learner or a teacher. */
export interface PairEmbedder {
  embedImages(images: Float32Array, count: number): Promise<Float32Array>;
  embedTexts(texts: readonly string[]): Promise<Float32Array>;
}

/** A held-out set: images, and each image's name by language. */
export interface EvaluationSet {
  /** [n, side, side, 3] in [-1, 1]. */
  readonly images: Float32Array;
  readonly count: number;
  /** By language, the image's name or null where the language has none, [n]. */
  readonly names: ReadonlyMap<string, readonly (string | null)[]>;
}

/** Prompts that a class is the mean of, as CLIP's zero-shot classification ensembles them. */
const prompts = ['{}', 'photo of a {}', 'a picture of a {}', '{} emoji'];
const maxPixels = 50_000_000;

/** Reads a held-out set for learners of `side` pixels. Throws when a shard lacks its columns. */
export async function loadEvaluation(
  shards: readonly string[],
  side: number,
  most: number,
): Promise<EvaluationSet> {
  const encoded: Uint8Array[] = [];
  const names = new Map<string, (string | null)[]>();
  for (const path of shards) {
    const shard = await openShard(path);
    for (const { index } of shard.rowGroups) {
      const columns = await shard.readRowGroup(index, ['image', 'names']);
      const shown = Array.from(columns.image ?? []) as { bytes: Uint8Array }[];
      const named = Array.from(columns.names ?? []) as { language: string; name: string }[][];
      shown.slice(0, most - encoded.length).forEach(({ bytes }, row) => {
        const at = encoded.push(bytes) - 1;
        for (const { language, name } of named[row] ?? []) {
          const list = names.get(language) ?? new Array<string | null>(most).fill(null);
          list[at] = name;
          names.set(language, list);
        }
      });
    }
  }
  const images = new Float32Array(encoded.length * side * side * 3);
  for (const [i, bytes] of encoded.entries()) {
    const pixels = await decodeRgb(bytes, { width: side, height: side }, maxPixels);
    images.set(normalizePixels(pixels), i * side * side * 3);
  }
  return { images, count: encoded.length, names };
}

/**
 * Scores an embedder on a held-out set: retrieval recall in English, over every language when asked (each among the
 * images that the language names), and zero-shot classification among the English names. Rejects with the signal's reason
 * soon after it is aborted.
 */
export async function evaluate(
  whole: PairEmbedder,
  set: EvaluationSet,
  everyLanguage: boolean,
  signal: AbortSignal = new AbortController().signal,
): Promise<EvaluationScores> {
  const embedder = inParts(whole, signal);
  const images = await embedder.embedImages(set.images, set.count);
  const d = images.length / set.count;
  const english = await scoreLanguage(embedder, set, images, d, 'en');
  const scores = {
    images: set.count,
    recallAt1: english.recallAt1,
    recallAt5: english.recallAt5,
    zeroShot: await zeroShotTop1(embedder, set, images, d),
  };
  if (!everyLanguage) return scores;
  const perLanguage: Record<string, { recallAt1: number; recallAt5: number; names: number }> = {};
  for (const language of [...set.names.keys()].sort()) {
    perLanguage[language] =
      language === 'en' ? english : await scoreLanguage(embedder, set, images, d, language);
  }
  const all = Object.values(perLanguage);
  const mean = (pick: (score: { recallAt1: number; recallAt5: number }) => number) =>
    all.reduce((sum, score) => sum + pick(score), 0) / all.length;
  return {
    ...scores,
    languages: {
      count: all.length,
      recallAt1: mean((score) => score.recallAt1),
      recallAt5: mean((score) => score.recallAt5),
      perLanguage,
    },
  };
}

/** Images that are embedded between two looks at the signal: a multiple of what embedders run at once. */
const imagesOfPart = 128;

/** An embedder that is asked for no more once the signal is aborted. */
function inParts({ embedImages, embedTexts }: PairEmbedder, signal: AbortSignal): PairEmbedder {
  return {
    async embedImages(images, count) {
      const [size, parts] = [images.length / count, [] as Float32Array[]];
      for (let from = 0; from < count; from += imagesOfPart) {
        signal.throwIfAborted();
        const to = Math.min(count, from + imagesOfPart);
        parts.push(await embedImages(images.subarray(from * size, to * size), to - from));
      }
      return joined(parts);
    },
    async embedTexts(texts) {
      signal.throwIfAborted();
      return embedTexts(texts);
    },
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function scoreLanguage(
  embedder: PairEmbedder,
  set: EvaluationSet,
  images: Float32Array,
  d: number,
  language: string,
): Promise<{ recallAt1: number; recallAt5: number; names: number }> {
  const named = namedImages(set, language);
  const texts = await embedder.embedTexts(named.map(({ name }) => name));
  const own = gatherRows(
    images,
    named.map(({ image }) => image),
    d,
  );
  const ranks = [...rankOfOwn(own, texts, d), ...rankOfOwn(texts, own, d)];
  return { recallAt1: recallAt(ranks, 1), recallAt5: recallAt(ranks, 5), names: named.length };
}

async function zeroShotTop1(
  embedder: PairEmbedder,
  set: EvaluationSet,
  images: Float32Array,
  d: number,
): Promise<number> {
  const named = namedImages(set, 'en');
  const classes = new Float32Array(named.length * d);
  for (const prompt of prompts) {
    const texts = await embedder.embedTexts(named.map(({ name }) => prompt.replace('{}', name)));
    texts.forEach((value, k) => {
      classes[k] = (classes[k] ?? 0) + value;
    });
  }
  const own = gatherRows(
    images,
    named.map(({ image }) => image),
    d,
  );
  // A mean of unit rows isn't a unit row: left as it is, a class whose prompts disagree would score lower.
  for (let i = 0; i < named.length; i += 1) {
    const row = classes.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...row) || 1;
    row.forEach((value, k) => {
      row[k] = value / norm;
    });
  }
  return recallAt(rankOfOwn(own, classes, d), 1);
}

function namedImages(set: EvaluationSet, language: string): { image: number; name: string }[] {
  const names = set.names.get(language) ?? [];
  const named: { image: number; name: string }[] = [];
  for (let image = 0; image < set.count; image += 1) {
    const name = names[image];
    if (name) named.push({ image, name });
  }
  return named;
}

function gatherRows(rows: Float32Array, indices: readonly number[], d: number): Float32Array {
  const gathered = new Float32Array(indices.length * d);
  indices.forEach((index, i) => {
    gathered.set(rows.subarray(index * d, (index + 1) * d), i * d);
  });
  return gathered;
}
