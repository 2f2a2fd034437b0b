import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { createGuardedServer, type GuardOptions } from '../http/guard.ts';
import { openRun } from '../inspect/open-run.ts';
import { why } from '../inspect/why.ts';
import type { About, Detail, Search } from './api.ts';
import type { PageFiles } from './build-page.ts';
import { filtersSchema, type Near, rowsQuerySchema } from './filters.ts';
import { createNearestSearch, type Found, SearchError } from './nearest.ts';
import { createPictureReader } from './picture-bytes.ts';
import { type GalleryQueries, openGalleryQueries, type WholeRow } from './query.ts';
import { findSources } from './sources.ts';
import { createThumbnails, sides } from './thumbnails.ts';

/** The largest picture that is searched by, in bytes. */
const mostUpload = 16 * 1024 * 1024;
/** Rows of a duplicates' group that a detail shows. */
const mostOfGroup = 24;

const idSchema = z.strictObject({
  id: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
});
const keySchema = z.strictObject({ key: z.string().max(4096) });
const sideSchema = z
  .string()
  .optional()
  .transform((side) => sides.find((known) => String(known) === side) ?? sides[1]);
const searchSchema = z.union([
  z.strictObject({ text: z.string().trim().min(1).max(500) }),
  z.strictObject({ like: z.int().nonnegative() }),
]);

/** A gallery's server, and how it is closed. */
export interface Gallery {
  readonly app: FastifyInstance;
  readonly about: About;
  close(): Promise<void>;
}

/**
 * Opens a run's folder as a gallery: its rows are indexed, and its server is ready to listen. Throws a UsageError when
 * the folder holds no run, or the server may not be bound as asked.
 */
export async function openGallery(
  folder: string,
  page: PageFiles,
  guard: GuardOptions,
  report: (error: Error) => void = () => {},
): Promise<Gallery> {
  const app = createGuardedServer({ ...guard, bodyLimit: mostUpload }, report);
  const curatedFolder = await findCurated(folder);
  const sources = curatedFolder === null ? null : await findSources(curatedFolder);
  const run = await openRun(folder, { allow: sources?.files ?? [] });
  const queries = await openGalleryQueries(run, sources);
  const connection = await run.connect();
  const search = await createNearestSearch(await run.connect(), curatedFolder);
  const shards = join(run.parts.curated?.folder ?? folder, 'shards');
  const read = createPictureReader(connection, shards, sources?.columns.image ?? null);
  const thumbnail = createThumbnails(read);
  const about: About = {
    run: folder,
    epoch: randomBytes(6).toString('hex'),
    rows: queries.rows,
    scores: queries.scores,
    lastStep: queries.lastStep,
    searchOff: search.searchOff,
    likeOff: search.likeOff,
    sourcesOff: queries.sourcesOff,
  };

  addPage(app, page);
  addQuestions(app, queries, about, (name) => nearOf(search.found, name));

  app.get('/api/rows/:id', async (request): Promise<Detail> => {
    const found = await rowOf(queries, request.params);
    const { key, group_key: group } = found.row;
    return {
      row: found.row,
      url: found.url,
      group: group === null ? [] : await queries.group(group, mostOfGroup),
      why: key === null ? null : await why(run, key).catch(unlessUnknown),
    };
  });
  app.get('/api/find', async (request) => ({ id: await queries.find(parse(keySchema, request.query).key) }));

  const sendPicture = async (
    reply: FastifyReply,
    { picture }: WholeRow,
    side: unknown,
    isLasting = false,
  ) => {
    const made =
      picture === null
        ? { missing: 'where it was read is not known, or no longer there' }
        : await thumbnail(picture, sideSchema.parse(side));
    // The address has the epoch of the server: another run's picture never has it.
    if (isLasting) reply.header('cache-control', 'private, max-age=3600');
    if ('missing' in made) return reply.code(404).send({ error: made.missing });
    return reply.type('image/jpeg').send(made.jpeg);
  };
  app.get<{ Params: { id: string }; Querystring: { side?: unknown } }>(
    `/picture/${about.epoch}/:id`,
    async (request, reply) =>
      sendPicture(reply, await rowOf(queries, request.params), request.query.side, true),
  );
  app.get<{ Querystring: { key?: unknown; side?: unknown } }>('/picture', async (request, reply) => {
    const id = await queries.find(parse(keySchema, { key: request.query.key }).key);
    return sendPicture(reply, await rowOf(queries, { id: String(id) }), request.query.side);
  });

  const answer = ({ name, near }: Found): Search => ({ search: name, found: near.ids.length });
  app.post('/api/search', async (request) => {
    const asked = parse(searchSchema, request.body);
    if ('text' in asked) return answer(await search.byText(asked.text));
    const { row, picture } = await rowOf(queries, { id: String(asked.like) });
    const found = row.outcome === 'kept' && row.key !== null ? await search.byRow(row.key) : null;
    if (found) return answer(found);
    const bytes = picture && (await read(picture).catch(() => null));
    if (!bytes) throw new SearchError('this row has neither an embedding nor a picture to search by');
    return answer(await search.byPicture(bytes));
  });
  app.addContentTypeParser(/^image\//, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/api/search/picture', async (request) => {
    if (!Buffer.isBuffer(request.body)) throw new SearchError('send the bytes of a picture');
    return answer(await search.byPicture(request.body));
  });

  return {
    app,
    about,
    async close() {
      await app.close();
      await search.close();
      queries.close();
      await run.close();
    },
  };
}

function addPage(app: FastifyInstance, page: PageFiles): void {
  for (const [path, { type, bytes }] of page) {
    const address = path === '/index.html' ? '/' : path;
    app.get(address, async (_request, reply) => reply.header('content-type', type).send(bytes));
  }
  app.get('/favicon.ico', async (_request, reply) => reply.code(204).send());
}

/** The routes over many rows. */
function addQuestions(
  app: FastifyInstance,
  queries: GalleryQueries,
  about: About,
  near: (search: string | undefined) => Near | null,
): void {
  app.get('/api/about', async () => about);
  app.get('/api/rows', async (request) => {
    const query = parse(rowsQuerySchema, request.query);
    return queries.page(query, near(query.search));
  });
  app.get('/api/facets', async (request) => {
    const filters = parse(filtersSchema, request.query);
    return queries.facets(filters, near(filters.search));
  });
  app.get('/api/anchors', async (request) => {
    const query = parse(rowsQuerySchema, request.query);
    return queries.anchors(query, near(query.search));
  });
}

function nearOf(found: (name: string) => Near | null, name: string | undefined): Near | null {
  if (name === undefined) return null;
  const near = found(name);
  if (near === null) throw new StatusError(410, 'that search is no longer remembered: search again');
  return near;
}

async function findCurated(folder: string): Promise<string | null> {
  const { findRun } = await import('../inspect/run-parts.ts');
  return (await findRun(folder)).curated?.folder ?? null;
}

async function rowOf(queries: GalleryQueries, params: unknown): Promise<WholeRow> {
  const given = idSchema.safeParse(params);
  const found = given.success ? await queries.row(given.data.id) : null;
  if (found === null) throw new StatusError(404, 'there is no such row');
  return found;
}

/** An error whose message callers are told. */
class StatusError extends Error {
  readonly statusCode: number;
  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StatusError(400, `${issue?.path.join('.') || 'request'}: ${issue?.message ?? 'not understood'}`);
}

function unlessUnknown(error: unknown): null {
  if (error instanceof UsageError) return null;
  throw error;
}
