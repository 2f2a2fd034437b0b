import { createHash } from 'node:crypto';
import { DataType, type RecordBatch } from 'apache-arrow';
import { column, columnData, withColumns } from '../../../schemas/batches.ts';
import { missingData, repeatedText, structData } from '../../../schemas/parquet-reader/arrow-columns.ts';
import { inputKind } from '../../../schemas/presets.ts';
import { imageBytes } from '../../../schemas/provenance.ts';
import { provenanceTypes, rowTypes } from '../../../schemas/rows.ts';
import type { Stage } from '../../../schemas/stage.ts';
import { throwStorageError } from '../../../schemas/storage/errors.ts';
import { isS3 } from '../../../schemas/storage/locations.ts';
import { type ImagePlace, type ImageRows, openImageRows } from '../../../stages/read-shards/image-rows.ts';
import type { Config } from '../../config.ts';
import { ResumableError } from '../../errors.ts';

/** Whether a shard's images can be read again row by row at little cost: those of parquet files of this machine. */
export function holdsImages(path: string): boolean {
  return !isS3(path) && !path.toLowerCase().endsWith('.tar');
}

/** The batch without its images' bytes, which stay in the shard that it was read from. */
export function withoutImageBytes(batch: RecordBatch): RecordBatch {
  return withBytes(batch, null);
}

function withBytes(batch: RecordBatch, bytes: ReturnType<typeof missingData> | null): RecordBatch {
  const [binary, text] = rowTypes.image.children.map(({ type }) => type) as [DataType, DataType];
  const rows = batch.numRows;
  const paths = columnData(batch, 'image').children[1] ?? missingData(text, rows);
  return withColumns(batch, {
    image: structData(rowTypes.image, rows, [bytes ?? missingData(binary, rows), paths]),
  });
}

/** Whether a batch's images stayed in their shard: an image that is admitted has bytes. */
function lacksImages(batch: RecordBatch): boolean {
  const index = batch.schema.fields.findIndex(({ name }) => name === 'image');
  const image = index < 0 ? undefined : batch.data.children[index];
  const bytes = image && DataType.isStruct(image.type) ? image.children[0] : undefined;
  return bytes !== undefined && bytes.length > 0 && bytes.nullCount === bytes.length;
}

/** The batch as read from a shard that may lie elsewhere than where it did. */
export function readFrom(batch: RecordBatch, path: string): RecordBatch {
  if (!lacksImages(batch) || column(batch, 'shard').get(0) === path) return batch;
  return withColumns(batch, { shard: repeatedText(provenanceTypes.shard, path, batch.numRows) });
}

/**
 * Gives batches whose images stayed in their shards the bytes of them. Throws a {@link ResumableError} where a shard
 * isn't there any more, or holds other images than those that were admitted.
 */
export async function* withImages(
  batches: AsyncIterable<RecordBatch>,
  { input, memory }: Pick<Config, 'input' | 'memory'>,
): AsyncGenerator<RecordBatch> {
  const images = openImageRows(inputKind(input ?? {}), Math.floor(memory / 2));
  try {
    for await (const batch of batches) yield lacksImages(batch) ? await attach(batch, images) : batch;
  } finally {
    await images.close();
  }
}

/** A stage that is given batches with their images. */
export function needsImages(stage: Stage, config: Pick<Config, 'input' | 'memory'>): Stage {
  return {
    name: stage.name,
    run: (batches, context) => stage.run(withImages(batches, config), context),
  };
}

async function attach(batch: RecordBatch, images: ImageRows): Promise<RecordBatch> {
  const [shards, groups, rows] = ['shard', 'row_group', 'row'].map((name) => column(batch, name));
  const places = Array.from(
    { length: batch.numRows },
    (_, i): ImagePlace => ({ shard: shards?.get(i), rowGroup: groups?.get(i), row: rows?.get(i) }),
  );
  const shard = places[0]?.shard ?? '';
  const bytes = await images.read(places).catch((error: Error) => {
    throwStorageError(error);
    throw new ResumableError(
      `${shard}: its images were admitted and can't be read now (${error.message}): put it back`,
    );
  });
  const whole = withBytes(batch, bytes);
  const hashes = column(batch, 'sha256');
  for (const [i, { shard: path, rowGroup, row }] of places.entries()) {
    if (createHash('sha256').update(imageBytes(whole, i)).digest('hex') === hashes.get(i)) continue;
    throw new ResumableError(
      `${path}, row group ${rowGroup}, row ${row}: isn't the image that was admitted: put the shard back, or plan the run again`,
    );
  }
  return whole;
}
