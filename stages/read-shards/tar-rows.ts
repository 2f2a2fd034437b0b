/** A tar has no row groups: as many samples as this count as one. */
export const groupSamples = 1024;

/** The row group and the row in it by which a tar's sample is known, by its place in the tar from 0 on. */
export function placeInTar(index: number): { readonly rowGroup: number; readonly row: number } {
  return { rowGroup: Math.floor(index / groupSamples), row: index % groupSamples };
}

/** A sample's place in its tar, by its row group and its row: what {@link placeInTar} was given. */
export function indexInTar(rowGroup: number, row: number): number {
  return rowGroup * groupSamples + row;
}

/** Whether a shard is a tar. */
export const isTar = (path: string): boolean => path.toLowerCase().endsWith('.tar');

/** The parquet file that lists a tar's rows, where there is one. */
export const listOf = (tar: string): string => tar.replace(/\.tar$/i, '.parquet');
