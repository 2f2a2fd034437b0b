import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import sharp from 'sharp';
import { batchOf } from '../../../schemas/batches.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { rowTypes } from '../../../schemas/rows.ts';
import { UsageError } from '../../errors.ts';
import { createArtist, listArt, type Style } from './art.ts';
import { writeEvaluation } from './evaluation.ts';
import { readNames } from './names.ts';
import type { EmojiSourceOptions } from './options.ts';
import { chooseEmoji, type PlannedRow, planRows } from './plan.ts';
import { type Drawing, drawRow, makeBomb } from './render.ts';
import { openTruth } from './truth.ts';

/** What was built. */
export interface EmojiSourceSummary {
  readonly rows: number;
  readonly shards: number;
  readonly canvases: number;
  readonly languages: number;
  readonly englishRows: number;
  readonly evaluationImages: number;
  /** Rows by planted defect. */
  readonly defects: Readonly<Record<string, number>>;
}

/** How the builder is watched and stopped. */
export interface BuildHooks {
  readonly signal: AbortSignal;
  progress(done: number, total: number): void;
}

const chunkRows = 200;
const inFlight = 4;

/**
 * Builds emoji-109 in `options.out`: `shards/`, `truth.parquet` and `evaluation/<held-out style>.parquet`. The rows are planned
 * first, by seed, then drawn and written in order: the same options give the same bytes. Throws a UsageError when a
 * source package isn't installed, or the held-out style is one of the shards'.
 */
export async function buildEmojiSources(
  options: EmojiSourceOptions,
  hooks: BuildHooks,
): Promise<EmojiSourceSummary> {
  sharp.concurrency(1);
  if (options.styles.includes(options.heldOut)) {
    throw new UsageError(`heldOut: ${options.heldOut} is one of the shards' styles`);
  }
  const art = listArt();
  const held = art[options.heldOut];
  const names = readNames();
  const english = names.get('en') ?? new Map();
  const shared = [...english.keys()]
    .filter((code) => options.styles.every((style) => art[style].has(code)))
    .sort();
  const codes = chooseEmoji(shared, options);
  const planned = planRows(options, codes, names);
  const artist = createArtist();
  const pictureOf = (style: Style, code: string) => artist(art[style].get(code) ?? '');
  let bombBytes: Promise<Buffer> | null = null;
  const bomb = () => {
    bombBytes ??= makeBomb();
    return bombBytes;
  };

  await clear(options.out);
  await mkdir(join(options.out, 'shards'), { recursive: true });
  await mkdir(join(options.out, 'evaluation'), { recursive: true });
  const truth = await openTruth(join(options.out, 'truth.parquet'));
  const queue = new PQueue({ concurrency: inFlight });
  let shards = 0;
  try {
    for (let start = 0; start < planned.length; start += options.shardRows) {
      const name = `emoji-109-${String(shards++).padStart(5, '0')}.parquet`;
      const writer = await openParquetWriter(join(options.out, 'shards', name));
      const end = Math.min(planned.length, start + options.shardRows);
      for (let from = start; from < end; from += chunkRows) {
        hooks.signal.throwIfAborted();
        const rows = planned.slice(from, Math.min(end, from + chunkRows));
        const drawings = await queue.addAll(rows.map((row) => () => drawOf(row, planned, pictureOf, bomb)));
        await writer.write(sourceBatch(rows, drawings));
        await truth.write(rows, drawings, planned);
        hooks.progress(from + rows.length, planned.length);
      }
      await writer.close();
    }
    await truth.close();
  } catch (error) {
    await truth.abort();
    for (const part of parts) await rm(join(options.out, part), { recursive: true, force: true });
    throw error;
  }
  const evaluationImages = await writeEvaluation(
    join(options.out, 'evaluation', `${options.heldOut}.parquet`),
    options,
    codes.filter((code) => held.has(code)),
    names,
    (code) => artist(held.get(code) ?? ''),
  );
  return summaryOf(planned, shards, evaluationImages);
}

const parts = ['shards', 'evaluation', 'truth.parquet'] as const;

/** Clears an earlier build away; shards without their truth are somebody's data, and stay. */
async function clear(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  const isBuild = names.some((name) => name.startsWith('truth.parquet'));
  const found = parts.find((part) => names.includes(part));
  if (found && !isBuild) {
    throw new UsageError(
      `--out: ${folder} holds ${found} and no truth.parquet, so it may be data: choose another`,
    );
  }
  for (const part of parts) await rm(join(folder, part), { recursive: true, force: true });
}

/** An exact duplicate is its original drawn again: what the defects of its own row do doesn't reach it. */
function drawOf(
  row: PlannedRow,
  planned: readonly PlannedRow[],
  pictureOf: Parameters<typeof drawRow>[1],
  bomb: () => Promise<Buffer>,
): Promise<Drawing> {
  const original = row.defects.includes('exactDuplicates') ? planned[row.duplicateOf ?? -1] : undefined;
  return drawRow(original ?? row, pictureOf, bomb);
}

function sourceBatch(rows: readonly PlannedRow[], drawings: readonly Drawing[]) {
  return batchOf({
    key: { type: rowTypes.key, values: rows.map(({ key }) => key) },
    url: { type: rowTypes.url, values: rows.map(({ key }) => `https://emoji-109.example/${key}`) },
    image: {
      type: rowTypes.image,
      values: rows.map(({ key }, i) => ({ bytes: drawings[i]?.bytes ?? Buffer.alloc(0), path: key })),
    },
    alt_texts: { type: rowTypes.alt_texts, values: rows.map(({ altTexts }) => altTexts) },
    page_title: { type: rowTypes.page_title, values: rows.map(({ pageTitle }) => pageTitle) },
    page_language: {
      type: rowTypes.page_language,
      values: rows.map(({ declaredLanguage }) => declaredLanguage),
    },
    width: { type: rowTypes.width, values: drawings.map(({ width }) => Math.round(width)) },
    height: { type: rowTypes.height, values: drawings.map(({ height }) => Math.round(height)) },
  });
}

function summaryOf(
  planned: readonly PlannedRow[],
  shards: number,
  evaluationImages: number,
): EmojiSourceSummary {
  const defects: Record<string, number> = {};
  for (const row of planned) {
    for (const defect of row.defects) defects[defect] = (defects[defect] ?? 0) + 1;
  }
  return {
    rows: planned.length,
    shards,
    canvases: planned.filter(({ kind }) => kind === 'canvas').length,
    languages: new Set(planned.map(({ language }) => language)).size,
    englishRows: planned.filter(({ language }) => language === 'en').length,
    evaluationImages,
    defects,
  };
}
