import pRetry, { AbortError } from 'p-retry';
import { z } from 'zod';

/** One file of a model on a hub. */
export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  /** What its contents must hash to: of large files their sha256, of small ones that of git. */
  readonly digest: { readonly kind: 'sha256' | 'git'; readonly value: string };
}

/** A model on a hub, at one commit. */
export interface Repository {
  readonly name: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** How a hub is asked. */
export interface HubOptions {
  /** Its address: `https://huggingface.co` unless told. */
  readonly endpoint: string;
  readonly signal: AbortSignal;
  /** Tries after the first, 4 unless told. */
  readonly retries?: number | undefined;
}

const sha1 = z.string().regex(/^[0-9a-f]{40}$/);
const modelSchema = z.looseObject({
  sha: sha1,
  siblings: z.array(
    z.looseObject({
      rfilename: z.string(),
      size: z.int().min(0),
      blobId: sha1,
      lfs: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
    }),
  ),
});

/**
 * Asks a hub for the files of a model at a revision. Throws one line that names the model when it isn't there, can't be
 * reached, or answers something else.
 */
export async function findRepository(
  name: string,
  revision: string,
  options: HubOptions,
): Promise<Repository> {
  const url = `${options.endpoint}/api/models/${name}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const response = await request(url, {}, options);
  const parsed = modelSchema.safeParse(await response.json().catch(() => null));
  if (!parsed.success) throw new Error(`${url}: the answer is not a model's list of files`);
  return {
    name,
    commit: parsed.data.sha,
    files: parsed.data.siblings.map(({ rfilename, size, blobId, lfs }) => ({
      path: rfilename,
      bytes: lfs?.size ?? size,
      digest: lfs ? { kind: 'sha256', value: lfs.sha256 } : { kind: 'git', value: blobId },
    })),
  };
}

/** The address of a file at a commit. */
export function addressOf(
  { name, commit }: Pick<Repository, 'name' | 'commit'>,
  path: string,
  endpoint: string,
): string {
  return `${endpoint}/${name}/resolve/${commit}/${path}`;
}

/**
 * Asks for an address, again a few times where the network or the server fails. Throws one line that names it; what is
 * missing or forbidden isn't asked for again.
 */
export async function request(
  url: string,
  headers: Readonly<Record<string, string>>,
  { signal, retries = 4 }: HubOptions,
): Promise<Response> {
  const ask = async () => {
    const response = await fetch(url, { headers, signal }).catch((error: Error) => {
      // A fetch that fails says why in its cause.
      const cause = error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message;
      throw new Error(`${url}: ${cause || 'no answer'}`);
    });
    if (response.ok) return response;
    await response.body?.cancel();
    const failure = `${url}: ${response.status} ${response.statusText}`;
    const isFinal = response.status < 500 && response.status !== 408 && response.status !== 429;
    throw isFinal ? new AbortError(failure) : new Error(failure);
  };
  return pRetry(ask, { retries, minTimeout: 500, factor: 2, signal });
}
