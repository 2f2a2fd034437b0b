import type { Vector } from 'apache-arrow';
import { z } from 'zod';
import { column, withColumns } from '../schemas/batches.ts';
import { hashUniform } from '../schemas/random.ts';
import { loccaType } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';
import type { Box, Detection } from './regions/detector.ts';

const edges = ['ymin', 'xmin', 'ymax', 'xmax'] as const;

/** Options of {@link addLoccaTargets}. */
export const loccaOptionsSchema = z.strictObject({
  enabled: z.boolean().default(false),
  /** Coordinates are whole numbers from 0 to this less one. */
  bins: z.int().min(2).default(500),
  /** The order in which a box's coordinates are written. */
  order: z
    .array(z.enum(edges))
    .length(4)
    .refine((order) => new Set(order).size === 4, {
      message: 'each of ymin, xmin, ymax, xmax once is expected',
    })
    .default([...edges]),
  /** Regions of this score or more are described. */
  minScore: z.number().min(0).max(1).default(0.3),
});

/** Options of {@link addLoccaTargets}, with their defaults filled in. */
export type LoccaOptions = z.infer<typeof loccaOptionsSchema>;

/** One sequence that a decoder learns: it is given the prefix, and the loss is on the target. */
export interface LoccaTarget {
  readonly task: 'captioning' | 'referring-expression' | 'grounded-captioning';
  readonly prefix: string;
  readonly target: string;
}

/**
 * Adds `locca`: what LocCa's decoder is trained to say of the image (Wan et al., "LocCa: visual pretraining with
 * location-aware captioners", 2024), from `text` and `regions`. Loses no row.
 */
export function addLoccaTargets(options: LoccaOptions, seed: number): Stage {
  return {
    name: 'add-locca-targets',
    async *run(batches, context) {
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const [keys, texts] = [column(batch, 'key'), column(batch, 'text')];
        const regions = batch.getChild('regions');
        const values = Array.from({ length: batch.numRows }, (_, row) => {
          const found = regionsOf((regions?.get(row) ?? null) as Vector | null);
          return loccaTargets({ key: keys.get(row), text: texts.get(row), regions: found }, options, seed);
        });
        yield withColumns(batch, { locca: { type: loccaType, values } });
      }
    },
  };
}

/** What a row's targets are made from. */
export interface DescribedRow {
  readonly key: string;
  readonly text: string;
  readonly regions: readonly Detection[];
}

/**
 * The targets of a row: `Cap: {text}`, and, where a region has the score, `ARef: {its text} : {box}` of one region and
 * `GCap: {box} : {its text}` of one, each drawn by key and seed.
 */
export function loccaTargets(
  { key, text, regions }: DescribedRow,
  options: Pick<LoccaOptions, 'bins' | 'order' | 'minScore'>,
  seed: number,
): LoccaTarget[] {
  const sound = regions.filter(({ score }) => score >= options.minScore);
  const drawn = (task: string) => sound[Math.floor(hashUniform(key, `${seed}:locca:${task}`) * sound.length)];
  const [referred, grounded] = [drawn('aref'), drawn('gcap')];
  const targets: LoccaTarget[] = [{ task: 'captioning', prefix: 'Cap: ', target: text }];
  if (referred) {
    const target = `${referred.text} : ${boxText(referred.box, options)}`;
    targets.push({ task: 'referring-expression', prefix: 'ARef: ', target });
  }
  if (grounded) {
    const target = `${boxText(grounded.box, options)} : ${grounded.text}`;
    targets.push({ task: 'grounded-captioning', prefix: 'GCap: ', target });
  }
  return targets;
}

/** A box as text: four whole numbers in [0, bins), a space between. */
export function boxText(box: Box, { bins, order }: Pick<LoccaOptions, 'bins' | 'order'>): string {
  const binOf = (value: number) => Math.max(0, Math.min(bins - 1, Math.floor(value * bins)));
  return order.map((edge) => binOf(box[edges.indexOf(edge)] ?? 0)).join(' ');
}

function regionsOf(list: Vector | null): Detection[] {
  return [...(list ?? [])].map((region) => ({
    box: [...region.box] as unknown as Box,
    text: region.text,
    score: region.score,
  }));
}
