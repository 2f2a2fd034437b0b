/** A text as an SQL literal, for where a statement takes no parameter. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A path as a pattern that matches it alone: what a glob would take for a wildcard stands for itself. */
export function exactly(path: string): string {
  return path.replace(/[[*?]/g, '[$&]');
}

/**
 * Parquet files as a relation, by a path or by patterns whose folders are {@link exactly} what they are. Folders named
 * `language=en` add no columns.
 */
export function parquetOf(pattern: string, options = ''): string {
  return `read_parquet(${quoted(pattern)}, hive_partitioning = false${options})`;
}
