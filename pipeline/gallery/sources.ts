import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { inputKind, type NamedColumns, type PresetName, presets } from '../../schemas/presets.ts';

/** The source shards of a curation, as far as rows that it left out can be looked up in them. */
export interface Sources {
  /** Absolute paths of the parquet shards that are still there. */
  readonly files: readonly string[];
  /** Their columns; null where they have none. */
  readonly columns: {
    readonly image: string | null;
    readonly texts: readonly string[];
    readonly url: string | null;
    readonly width: string | null;
    readonly height: string | null;
  };
  /** Why some or all of them can't be read; null where all can. */
  readonly problem: string | null;
}

const manifestSchema = z.looseObject({
  input: z.array(z.looseObject({ path: z.string() })).default([]),
  config: z
    .looseObject({
      input: z
        .looseObject({
          preset: z.enum(Object.keys(presets) as [PresetName, ...PresetName[]]).optional(),
          columns: z.record(z.string(), z.string()).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** Finds the source shards that a curation's manifest names. Never throws: what isn't there is its `problem`. */
export async function findSources(folder: string): Promise<Sources> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => '{}');
  const parsed = manifestSchema.safeParse(parseJson(text));
  const { input = [], config } = parsed.success ? parsed.data : {};
  const kind = inputKind((config?.input ?? {}) as { preset?: PresetName; columns?: NamedColumns });
  const { image, alt_texts: texts, url, width, height } = kind.columns;
  const paths = input.map(({ path }) => path);
  const parquet = paths.filter((path) => path.endsWith('.parquet')).map((path) => resolve(path));
  const files: string[] = [];
  for (const path of parquet) if ((await stat(path).catch(() => null))?.isFile()) files.push(path);
  return {
    files,
    columns: { image, texts, url, width, height },
    problem: problemOf(paths.length, parquet.length, files.length),
  };
}

function problemOf(all: number, parquet: number, there: number): string | null {
  if (all === 0) return 'The manifest names no source shards.';
  if (parquet === 0) return 'The source shards are not parquet files, so rows are not looked up in them.';
  if (there === 0) return 'The source shards are no longer where the run read them.';
  if (there < all) return `${all - there} of ${all} source shards are no longer there, or not parquet files.`;
  return null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
