import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Float32, type RecordBatch } from 'apache-arrow';
import { normalizePixels } from '../../models/pixels.ts';
import {
  column,
  columnData,
  indicesWhere,
  selectColumns,
  takeRows,
  withColumns,
} from '../../schemas/batches.ts';
import { createSpool, readSpool } from '../curation/spool.ts';
import type { PairEmbedder } from '../distill/evaluate.ts';
import type { PreparedRows } from '../distill/prepare.ts';
import type { Progress } from '../progress.ts';

/** How finely similarities are counted: bins over [-1, 1]. */
const bins = 4096;
const similarity = 'similarity';

/** A histogram of similarities, from -1 to 1. */
export type Histogram = Uint32Array;

/**
 * The rows whose image and text are the most alike to a model: of each language the top `share` by the cosine of the
 * two embeddings, to a two-thousandth (CLIP-score filtering, DataComp, arXiv 2304.14108, section 3.5; within languages,
 * so that the mix of them stays). Rows are scored into a spool in `folder`, and those that are kept into another.
 * Throws when the signal is aborted.
 */
export async function keepMostAlike(
  rows: PreparedRows,
  embedder: PairEmbedder,
  share: number,
  folder: string,
  run: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<PreparedRows> {
  const [scoredPath, keptPath] = [join(folder, 'scored.arrows'), join(folder, 'kept.arrows')];
  const histograms = new Map<string, Histogram>();
  const scored = createSpool(scoredPath);
  const task = run.progress.start('scoring rows for fine-tuning', rows.rows, 'rows');
  let done = 0;
  for await (const batch of rows.epoch()) {
    run.signal.throwIfAborted();
    const alike = await similaritiesOf(batch, embedder);
    count(histograms, column(batch, 'language'), alike);
    await scored.write(withColumns(batch, { [similarity]: { type: new Float32(), values: alike } }));
    done += batch.numRows;
    task.update(done);
  }
  await scored.close();
  task.end();
  const lowest = new Map([...histograms].map(([language, counts]) => [language, lowestBin(counts, share)]));
  const kept = createSpool(keptPath);
  let keptRows = 0;
  for await (const batch of readSpool(scoredPath)) {
    const names = batch.schema.names.map(String).filter((name) => name !== similarity);
    const [languages, values] = [column(batch, 'language'), column(batch, similarity)];
    const mask = Uint8Array.from({ length: batch.numRows }, (_, row) =>
      Number(binOf(values.get(row)) >= (lowest.get(String(languages.get(row))) ?? 0)),
    );
    const indices = indicesWhere(mask);
    if (indices.length === 0) continue;
    keptRows += indices.length;
    await kept.write(takeRows(selectColumns(batch, names), indices));
  }
  await kept.close();
  await rm(scoredPath);
  return { rows: keptRows, teacher: rows.teacher, epoch: () => readSpool(keptPath) };
}

/** The lowest bin that belongs to the top `share` of a histogram, the bin that the cut falls in included. */
export function lowestBin(histogram: Histogram, share: number): number {
  const all = histogram.reduce((sum, n) => sum + n, 0);
  const wanted = Math.ceil(all * share);
  let above = 0;
  for (let bin = histogram.length - 1; bin > 0; bin -= 1) {
    above += histogram[bin] as number;
    if (above >= wanted) return bin;
  }
  return 0;
}

function binOf(cosine: number): number {
  return Math.max(0, Math.min(bins - 1, Math.floor(((cosine + 1) / 2) * bins)));
}

function count(
  histograms: Map<string, Histogram>,
  languages: { get(row: number): unknown },
  alike: Float32Array,
): void {
  alike.forEach((cosine, row) => {
    const language = String(languages.get(row));
    const histogram = histograms.get(language) ?? new Uint32Array(bins);
    histograms.set(language, histogram);
    const bin = binOf(cosine);
    histogram[bin] = (histogram[bin] as number) + 1;
  });
}

/** The cosine of each row's image and text, [rows]. */
async function similaritiesOf(batch: RecordBatch, embedder: PairEmbedder): Promise<Float32Array> {
  const pixels = columnData(batch, 'pixels');
  const size = (pixels.children[0]?.length ?? 0) / batch.numRows;
  const values = pixels.children[0]?.values as Uint8Array;
  const images = await embedder.embedImages(
    normalizePixels(values.subarray(0, size * batch.numRows)),
    batch.numRows,
  );
  const texts = await embedder.embedTexts(Array.from(column(batch, 'text'), (text) => String(text ?? '')));
  const d = images.length / batch.numRows;
  return Float32Array.from({ length: batch.numRows }, (_, row) => {
    let sum = 0;
    for (let k = row * d; k < (row + 1) * d; k += 1) sum += (images[k] as number) * (texts[k] as number);
    return sum;
  });
}
