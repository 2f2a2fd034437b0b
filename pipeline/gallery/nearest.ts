import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { decodeRgb, sniffFormat } from '../../models/images.ts';
import { normalizePixels } from '../../models/pixels.ts';
import type { Teacher } from '../../models/teacher.ts';
import { ask } from '../inspect/open-run.ts';
import { fileFacts } from '../run-folder.ts';
import type { Near } from './filters.ts';

/** Search by the teacher's embeddings: rows whose picture is near to a text, a picture, or another row. */
export interface NearestSearch {
  /** Why texts and pictures can't be embedded; null where they can. */
  readonly searchOff: string | null;
  /** Why rows can't be compared with each other; null where they can. */
  readonly likeOff: string | null;
  byText(text: string): Promise<Found>;
  byPicture(bytes: Uint8Array): Promise<Found>;
  /** Rows like a kept one, by its key: null where it has no embedding. */
  byRow(key: string): Promise<Found | null>;
  /** What a search found, by its name, for as long as it is remembered. */
  found(name: string): Near | null;
  close(): Promise<void>;
}

/** What a search found. */
export interface Found {
  readonly name: string;
  readonly near: Near;
}

/** What a caller gave can't be searched for. */
export class SearchError extends Error {
  override readonly name = 'SearchError';
  readonly statusCode = 422;
}

const mostFound = 1000;
const remembered = 64;
const mostPixels = 64_000_000;

const manifestSchema = z.looseObject({
  teacher: z
    .looseObject({
      path: z.string(),
      bytes: z.number(),
      sha256: z.string(),
      dimension: z.int().positive().max(65_536),
    })
    .nullish(),
});
type TeacherFacts = NonNullable<z.infer<typeof manifestSchema>['teacher']>;

/** Makes the search of a curation's folder; null stands for one that isn't there. The teacher is loaded when needed. */
export async function createNearestSearch(
  connection: DuckDBConnection,
  folder: string | null,
): Promise<NearestSearch> {
  const facts = folder === null ? null : await teacherOf(folder);
  const likeOff = await whyNoEmbeddings(connection, facts);
  const searchOff = likeOff ?? (await whyNoTowers(facts));
  const searches = new LRUCache<string, Near>({ max: remembered });
  let teacher: Promise<Teacher> | null = null;

  const load = () => {
    if (facts === null || searchOff !== null) throw new SearchError(searchOff ?? 'there is no teacher');
    teacher ??= loadChecked(facts);
    const loading = teacher;
    loading.catch(() => {
      teacher = null;
    });
    return loading;
  };
  const remember = async (vector: ArrayLike<number>): Promise<Found> => {
    const near = await nearest(connection, vector);
    const name = randomBytes(12).toString('base64url');
    searches.set(name, near);
    return { name, near };
  };

  return {
    searchOff,
    likeOff,
    async byText(text) {
      return remember(await (await load()).embedTexts([text]));
    },
    async byPicture(bytes) {
      if (sniffFormat(bytes) === null) throw new SearchError('not a JPEG, PNG, WebP or GIF picture');
      const { imageSize, embedImages } = await load();
      const size = { width: imageSize, height: imageSize };
      const pixels = await decodeRgb(bytes, size, mostPixels).catch(() => {
        throw new SearchError('the picture does not decode');
      });
      return remember(await embedImages(normalizePixels(pixels), 1));
    },
    async byRow(key) {
      if (likeOff !== null) throw new SearchError(likeOff);
      const [found] = await ask(connection, 'SELECT teacher_image FROM embeddings WHERE key = $key LIMIT 1', {
        key,
      });
      const vector = found?.teacher_image;
      return Array.isArray(vector) ? remember(vector.map(Number)) : null;
    },
    found: (name) => searches.get(name) ?? null,
    async close() {
      const loaded = await teacher?.catch(() => null);
      await loaded?.dispose();
    },
  };
}

/** The rows whose picture has the largest cosine with a unit vector [d], nearest first. */
async function nearest(connection: DuckDBConnection, vector: ArrayLike<number>): Promise<Near> {
  // The length is a number of this program's own, not a text of a caller's.
  const type = `FLOAT[${vector.length}]`;
  const found = await ask(
    connection,
    `SELECT gallery.id::DOUBLE AS id, nearness FROM (
       SELECT key, array_inner_product(teacher_image::${type}, $vector::${type})::DOUBLE AS nearness
       FROM embeddings WHERE len(teacher_image) = ${vector.length} ORDER BY nearness DESC, key LIMIT ${mostFound})
     JOIN gallery USING (key) WHERE outcome = 'kept' AND isfinite(nearness) ORDER BY nearness DESC, id`,
    { vector: Array.from(vector) },
  );
  return { ids: found.map(({ id }) => Number(id)), nearness: found.map((row) => Number(row.nearness)) };
}

async function teacherOf(folder: string): Promise<TeacherFacts | null> {
  try {
    const text = await readFile(join(folder, 'manifest.json'), 'utf8');
    return manifestSchema.parse(JSON.parse(text)).teacher ?? null;
  } catch {
    return null;
  }
}

async function whyNoEmbeddings(connection: DuckDBConnection, facts: TeacherFacts | null) {
  if (facts === null) return 'This run had no teacher, so its rows have no embeddings to search.';
  const [found] = await ask(
    connection,
    'SELECT len(teacher_image)::INTEGER AS d FROM embeddings WHERE teacher_image IS NOT NULL LIMIT 1',
  );
  if (found === undefined) return 'No row of this run has an embedding.';
  return Number(found.d) === facts.dimension
    ? null
    : 'The embeddings are not of the length that the manifest says.';
}

async function whyNoTowers(facts: TeacherFacts | null): Promise<string | null> {
  const found = facts === null ? null : await stat(facts.path).catch(() => null);
  if (!found?.isFile()) return 'The teacher’s checkpoint is no longer where the run read it.';
  return found.size === facts?.bytes ? null : 'The teacher’s checkpoint is not the one that the run used.';
}

/** Loads the teacher's towers once their file is known to be the run's own: other towers have other embeddings. */
async function loadChecked(facts: TeacherFacts): Promise<Teacher> {
  if ((await fileFacts(facts.path)).sha256 !== facts.sha256) {
    throw new SearchError('The teacher’s checkpoint is not the one that the run used.');
  }
  const { loadTeacher } = await import('../../models/teacher.ts');
  const { openExecutor } = await import('../../models/open-executor.ts');
  const executor = await openExecutor({ executor: 'onnx', threads: Math.min(4, availableParallelism()) });
  return loadTeacher(facts.path, executor);
}
