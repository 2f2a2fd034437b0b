import { Bool, Field, List, type RecordBatch, Struct, Utf8 } from 'apache-arrow';
import PQueue from 'p-queue';
import sharp from 'sharp';
import { decodeRgbWithin, type RgbImage } from '../models/images.ts';
import { column, withColumns } from '../schemas/batches.ts';
import { listColumn } from '../schemas/columns.ts';
import type { Stage } from '../schemas/stage.ts';
import { type DecodingOptions, eachImage } from './images/each-image.ts';
import { type Crop, type CropOptions, planCrops, planMask, planParallel } from './views/plan-views.ts';
import type { ImageLayout, StepViews } from './views/schedule.ts';

/** The step that views are drawn for. */
export interface ViewedStep {
  readonly seed: number;
  readonly step: number;
  readonly views: StepViews;
  /** How the image itself is laid out: what is masked where there are no crops. */
  readonly layout: ImageLayout;
}

const field = (name: string, type: Utf8 | Bool) => new Field(name, type, true);

/** LocCa's targets with whether each is predicted in parallel. */
export const loccaViewType = new List(
  new Field(
    'element',
    new Struct<{ task: Utf8; prefix: Utf8; target: Utf8; parallel: Bool }>([
      field('task', new Utf8()),
      field('prefix', new Utf8()),
      field('target', new Utf8()),
      field('parallel', new Bool()),
    ] as never),
    true,
  ),
);

/**
 * Adds what a step's schedule has on: `global_views` [globals, side, side, 3] and `local_views`, 0 to 255, with their
 * boxes and flips; `patch_mask` [n], 1 where a patch is masked; `locca` with parallel-prediction flags. The image itself
 * stays as it is, unaugmented, for the sigmoid loss. All is drawn by seed, step and key. Loses no row: views of an image
 * that doesn't decode are grey, and it is told of.
 */
export function addTrainingViews(of: ViewedStep, options: DecodingOptions): Stage {
  return {
    name: 'add-training-views',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        yield withColumns(batch, {
          ...(of.views.selfDistillation ? await cropColumns(batch, of, options, queue) : {}),
          ...maskColumns(batch, of),
          ...loccaColumns(batch, of),
        });
      }
    },
  };
}

/** What a trainer is told of the columns: shapes, weights, and where each view came from. */
export function describeViews({ views, layout }: ViewedStep): object {
  const { selfDistillation: crops, maskedPrediction: masked, locca } = views;
  return {
    image: layout,
    ...(crops
      ? {
          global_views: [crops.globals, crops.globalSide, crops.globalSide, 3],
          local_views: [crops.locals, crops.localSide, crops.localSide, 3],
          self_distillation_weight: crops.weight,
        }
      : {}),
    ...(masked && maskedPatches(views, layout) > 0
      ? {
          patch_mask: [maskedPatches(views, layout)],
          masked_image: crops ? 'the first of global_views' : 'the image',
          masked_prediction_weight: masked.weight,
        }
      : {}),
    ...(locca ? { locca_parallel: locca.parallel } : {}),
  };
}

/** How many patches are masked and not: of a global crop, or of the image; 0 where neither is a grid. */
function maskedPatches({ selfDistillation, maskedPrediction }: StepViews, layout: ImageLayout): number {
  if (maskedPrediction === null) return 0;
  const side = selfDistillation?.globalSide ?? ('side' in layout ? layout.side : 0);
  return Math.floor(side / maskedPrediction.patch) ** 2;
}

const grey = 128;

async function cropColumns(
  batch: RecordBatch,
  { seed, step, views }: ViewedStep,
  options: DecodingOptions,
  queue: PQueue,
) {
  const set = views.selfDistillation;
  if (set === null) return {};
  const kinds = [
    { kind: 'global', side: set.globalSide, drawn: { count: set.globals, area: set.globalArea } },
    { kind: 'local', side: set.localSide, drawn: { count: set.locals, area: set.localArea } },
  ] as const;
  // Larger than this no crop needs it.
  const longest = Math.ceil(Math.max(...kinds.map(({ side, drawn }) => side / Math.sqrt(drawn.area[0])), 1));
  const columns = kinds.map(({ side, drawn: { count } }) => ({
    views: new Uint8Array(batch.numRows * count * side * side * 3).fill(grey),
    boxes: new Float32Array(batch.numRows * count * 4),
    flips: new Uint8Array(batch.numRows * count),
  }));
  const keys = column(batch, 'key');
  await eachImage(batch, options, queue, async (bytes, row) => {
    const image = await decodeRgbWithin(bytes, Math.min(longest, 4096), options.maxPixels);
    for (const [i, { kind, side, drawn }] of kinds.entries()) {
      const draw: CropOptions = { ...drawn, aspect: set.aspect, flip: set.flip };
      const crops = planCrops({ seed, step, key: keys.get(row) }, kind, image, draw);
      const target = columns[i];
      for (const [n, crop] of crops.entries()) {
        const at = row * drawn.count + n;
        target?.views.set(await cropped(image, crop, side), at * side * side * 3);
        target?.boxes.set(crop.box, at * 4);
        target?.flips.fill(crop.flip ? 1 : 0, at, at + 1);
      }
    }
  });
  return Object.fromEntries(
    kinds.flatMap(({ kind, side, drawn: { count } }, i) => {
      const { views: pixels, boxes, flips } = columns[i] as (typeof columns)[number];
      if (count === 0) return [];
      return [
        [`${kind}_views`, listColumn(pixels, count * side * side * 3)],
        [`${kind}_boxes`, listColumn(boxes, count * 4)],
        [`${kind}_flips`, listColumn(flips, count)],
      ];
    }),
  );
}

/** A crop resized to side x side: at least a pixel of the image, within it. */
async function cropped(
  { pixels, width, height }: RgbImage,
  { box, flip }: Crop,
  side: number,
): Promise<Uint8Array> {
  const [top, left, bottom, right] = box;
  const x = Math.min(width - 1, Math.floor(left * width));
  const y = Math.min(height - 1, Math.floor(top * height));
  const region = {
    left: x,
    top: y,
    width: Math.max(1, Math.min(width, Math.round(right * width)) - x),
    height: Math.max(1, Math.min(height, Math.round(bottom * height)) - y),
  };
  const cut = sharp(pixels, { raw: { width, height, channels: 3 } })
    .extract(region)
    .resize(side, side, { fit: 'fill' });
  return (flip ? cut.flop() : cut).raw().toBuffer();
}

function maskColumns(batch: RecordBatch, { seed, step, views, layout }: ViewedStep) {
  const patches = maskedPatches(views, layout);
  const share = views.maskedPrediction?.share;
  if (share === undefined || patches === 0) return {};
  const keys = column(batch, 'key');
  const masks = new Uint8Array(batch.numRows * patches);
  for (let row = 0; row < batch.numRows; row += 1) {
    masks.set(planMask({ seed, step, key: keys.get(row) }, patches, share), row * patches);
  }
  return { patch_mask: listColumn(masks, patches) };
}

function loccaColumns(batch: RecordBatch, { seed, step, views }: ViewedStep) {
  const { locca } = views;
  if (!locca) return {};
  const [keys, targets] = [column(batch, 'key'), column(batch, 'locca')];
  const values = Array.from({ length: batch.numRows }, (_, row) => {
    const parallel = planParallel({ seed, step, key: keys.get(row) }, locca.parallel);
    return [...(targets.get(row) ?? [])].map(({ task, prefix, target }) => ({
      task,
      prefix,
      target,
      // Only a caption's tokens are predicted from none; a box needs those before it.
      parallel: parallel && task === 'captioning',
    }));
  });
  return { locca: { type: loccaViewType, values } };
}
