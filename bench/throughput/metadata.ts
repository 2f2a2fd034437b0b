import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { chainStages } from '../../pipeline/funnel.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { rowTypes } from '../../schemas/rows.ts';
import { cleanTexts, cleanTextsOptionsSchema } from '../../stages/clean-texts.ts';
import { identifyLanguage, identifyLanguageOptionsSchema } from '../../stages/identify-language.ts';
import { writeShards, writeShardsOptionsSchema } from '../../stages/write-shards.ts';

/**
 * Curates a shard of metadata (LAION's columns, no images): what of a curation can be done without pixels. Texts are
 * cleaned, languages identified, rows written.
 */
export async function curateMetadata(shard: string, folder: string, signal: AbortSignal): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const context = { signal, drop() {}, quarantine() {} };
  const stages = [
    cleanTexts(cleanTextsOptionsSchema.parse({})),
    identifyLanguage(identifyLanguageOptionsSchema.parse({})),
    writeShards(join(folder, 'shards'), writeShardsOptionsSchema.parse({ shardRows: 1_000_000 }), {}),
  ];
  const chain = chainStages({ name: 'read-metadata', batches: metadataRows(shard) }, stages, context);
  let rows = 0;
  for await (const batch of chain.batches) rows += batch.numRows;
  if (rows === 0) throw new Error(`${shard}: no row is left`);
}

const batchRows = 4096;

async function* metadataRows(path: string): AsyncGenerator<RecordBatch> {
  const shard = await openShard(path);
  for (const { index, rows } of shard.rowGroups) {
    const columns = await shard.readRowGroup(index, ['SAMPLE_ID', 'URL', 'TEXT', 'WIDTH', 'HEIGHT']);
    const batch = batchOf({
      key: { type: rowTypes.key, values: Array.from(columns.SAMPLE_ID ?? [], String) },
      url: { type: rowTypes.url, values: columns.URL ?? [] },
      alt_texts: { type: rowTypes.alt_texts, values: Array.from(columns.TEXT ?? [], (text) => [text]) },
      width: { type: rowTypes.width, values: columns.WIDTH ?? [] },
      height: { type: rowTypes.height, values: columns.HEIGHT ?? [] },
    });
    for (let start = 0; start < rows; start += batchRows)
      yield batch.slice(start, Math.min(rows, start + batchRows));
  }
}
