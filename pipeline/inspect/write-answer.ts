import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { UsageError } from '../errors.ts';
import { answerOf } from './answers.ts';
import { formatAnswer, type TextFormat } from './formats.ts';
import { openRun } from './open-run.ts';
import { questionsOf, sqlMessage, statementsOf } from './statements.ts';

/** What is asked of a run, and where the answer goes. */
export interface InspectRequest {
  readonly sql: string;
  readonly format: TextFormat | 'parquet';
  /** Standard output unless told. */
  readonly out: string | null;
  /** Whether SQL may do anything, on any file. */
  readonly unrestricted: boolean;
}

/**
 * Answers one or more statements over a run, in the format. A file is there once it is whole; parquet needs one, and is
 * of one statement. Gives the file's bytes, or null without one. Throws a {@link UsageError} where SQL is wrong or, unless told otherwise, isn't a question.
 */
export async function inspect(
  folder: string,
  request: InspectRequest,
  signal: AbortSignal,
): Promise<number | null> {
  const { sql, format, out, unrestricted } = request;
  if (format === 'parquet' && out === null) throw new UsageError('--format parquet: needs --out <file>');
  const partial = out === null ? null : resolve(`${out}.partial`);
  const run = await openRun(folder, { unrestricted, allow: partial === null ? [] : [partial] });
  const stop = () => run.connection.interrupt();
  signal.addEventListener('abort', stop);
  try {
    const statements = unrestricted ? statementsOf(sql) : await questionsOf(run.connection, sql);
    if (partial === null) await print(run.connection, statements, format as TextFormat);
    else if (format === 'parquet') await writeParquet(run.connection, statements, partial);
    else
      await pipeline(Readable.from(textOf(run.connection, statements, format)), createWriteStream(partial));
    if (partial === null || out === null) return null;
    await rename(partial, out);
    return (await stat(out)).size;
  } catch (error) {
    signal.throwIfAborted();
    throw isOfDuckDb(error) ? new UsageError(sqlMessage(error)) : error;
  } finally {
    signal.removeEventListener('abort', stop);
    if (partial !== null) await rm(partial, { force: true });
    await run.close();
  }
}

/** DuckDB's errors are told by their first words, such as `Binder Error:`. */
export function isOfDuckDb(error: unknown): boolean {
  return error instanceof Error && /^(?:Failed to .*?: )?[A-Z][\w ]* Error: /.test(error.message);
}

async function* textOf(
  connection: DuckDBConnection,
  statements: readonly string[],
  format: TextFormat,
): AsyncGenerator<string> {
  for (const sql of statements) yield* formatAnswer(await answerOf(connection, sql), format);
}

/** A reader that has seen enough closes the pipe: that ends it, and is no error. */
async function print(connection: DuckDBConnection, statements: readonly string[], format: TextFormat) {
  let isOpen = true;
  const close = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    isOpen = false;
  };
  process.stdout.on('error', close);
  try {
    for await (const text of textOf(connection, statements, format)) {
      if (!isOpen) break;
      if (!process.stdout.write(text)) {
        await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')]).catch(() => {});
      }
    }
  } finally {
    process.stdout.off('error', close);
  }
}

async function writeParquet(connection: DuckDBConnection, statements: readonly string[], path: string) {
  const [sql] = statements;
  if (sql === undefined || statements.length > 1) {
    throw new UsageError(`--format parquet: holds one answer, not ${statements.length}`);
  }
  // The line break ends a comment that the statement may end in.
  await connection.run(`COPY (${sql}\n) TO $path (FORMAT parquet, COMPRESSION zstd)`, { path });
}
