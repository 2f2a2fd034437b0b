import type { RecordBatch } from 'apache-arrow';
import { column, withColumns } from '../../schemas/batches.ts';
import { missingData } from '../../schemas/parquet-reader/arrow-columns.ts';
import { inputKind } from '../../schemas/presets.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import type { Stage } from '../../schemas/stage.ts';
import type { Config } from '../config.ts';

/** Whether a recipe's shards hold images, and not only what is said of them. */
export function readsImages(config: Pick<Config, 'input'>): boolean {
  return inputKind(config.input ?? {}).columns.image !== null;
}

/** The recipe without what looks at images. */
export function withoutImages({ decontaminate: _, teacher: __, scores: ___, ...config }: Config): Config {
  return {
    ...config,
    deduplicate: { ...config.deduplicate, near: false },
    regions: { ...config.regions, detector: 'none' },
  };
}

/** What a run over shards without images leaves out, for its report. */
export function leftOutWithoutImages(config: Config): CurationReport['leftOut'] {
  const stages = [
    'check-images',
    'hash-images',
    ...(config.decontaminate ? ['decontaminate'] : []),
    'deduplicate',
    ...(config.scores ? ['filter-by-score'] : []),
    'label-regions',
    'embed-with-teacher',
  ];
  const why = `the shards hold no images (${config.input?.preset ?? 'input.columns names none'})`;
  return stages.map((stage) => ({ stage, why }));
}

/** Adds the columns that looking at images would, without values. */
export function noImages(): Stage {
  return {
    name: 'no-images',
    async *run(batches) {
      for await (const batch of batches) {
        yield withColumns(batch, { sha256: missingData(curatedTypes.sha256, batch.numRows) });
      }
    },
  };
}

/**
 * The batch as the reduction over the whole data set wants it: each row its own, numbered within a task of a name,
 * since no image tells otherwise.
 */
export function rowsOfTheirOwn(task: string): (batch: RecordBatch) => RecordBatch {
  let rows = 0;
  return (batch) => {
    const sizes = (name: string) => Array.from(column(batch, name), (size) => size ?? 0);
    return withColumns(batch, {
      sha256: {
        type: curatedTypes.sha256,
        values: Array.from({ length: batch.numRows }, () => `${task.slice(0, 16)}:${rows++}`),
      },
      width: { type: rowTypes.width, values: sizes('width') },
      height: { type: rowTypes.height, values: sizes('height') },
    });
  };
}
