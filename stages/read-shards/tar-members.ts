import { once } from 'node:events';
import { type Extract, extract, type Headers } from 'tar-stream';
import { openByteSource } from '../../schemas/parquet-reader/byte-source.ts';
import { throwStorageError } from '../../schemas/storage/errors.ts';
import { streamObject } from '../../schemas/storage/open-storage.ts';
import { messageOf } from './reader.ts';

/** A member of a tar, as far as it was read. */
export interface TarMember {
  readonly name: string;
  /** `file`, `directory`, `symlink` and so on. */
  readonly type: string;
  readonly size: number;
  /** Its bytes; null where they weren't asked for, or the tar ends within them. */
  readonly bytes: Uint8Array | null;
  /** Whether the tar ends within it. */
  readonly cut: boolean;
}

/** A long name takes headers of its own, which are held whole: no name of a sample is near this long. */
const mostHeaderBytes = 1024 * 1024;
const chunkBytes = 256 * 1024;
const blockBytes = 512;

/**
 * Reads a tar's members in order, one in memory at a time. Bytes of a member are read where `wants` says so, and
 * passed over elsewhere. Nothing is written anywhere, whatever the members' names and types. Throws when the tar is
 * cut short or corrupt, after the members before that.
 */
export async function* readTarMembers(
  path: string,
  wants: (name: string, size: number) => boolean,
): AsyncGenerator<TarMember> {
  const tar = extract();
  const progress: Progress = { fed: 0, allowed: mostHeaderBytes, failure: null };
  const pumped = pump(path, tar, progress);
  try {
    for await (const entry of tar) {
      const { name, type } = entry.header as Headers;
      const size = entry.header.size ?? 0;
      if (!Number.isSafeInteger(size) || size < 0) throw new Error(`${name} claims a size of ${size} bytes`);
      progress.allowed = progress.fed + size + mostHeaderBytes;
      const isFile = type === 'file' || type === 'contiguous-file';
      const chunks: Uint8Array[] = [];
      const isWanted = isFile && wants(name, size);
      try {
        for await (const chunk of entry) if (isWanted) chunks.push(chunk);
      } catch (error) {
        yield { name, type: type ?? 'unknown', size, bytes: null, cut: true };
        throw error;
      }
      yield {
        name,
        type: type ?? 'unknown',
        size,
        bytes: isWanted ? Buffer.concat(chunks) : null,
        cut: false,
      };
    }
  } catch (error) {
    throwStorageError(progress.failure);
    const said = messageOf(error);
    throw new Error(/unexpected end of data/i.test(said) ? 'the tar is cut short' : said);
  } finally {
    tar.destroy();
    await pumped;
  }
}

/** Whether a tar has its end: blocks of zeros. One without may be cut short between two members. */
export async function hasTarEnd(path: string): Promise<boolean> {
  const source = await openByteSource(path);
  const tail = await source.read(Math.max(0, source.size - blockBytes), Math.min(blockBytes, source.size));
  return tail.every((byte) => byte === 0);
}

interface Progress {
  fed: number;
  allowed: number;
  /** Why feeding ended before the end. */
  failure: unknown;
}

/** Feeds the file to the extractor, as fast as its members are taken. Never rejects: it destroys the extractor. */
async function pump(path: string, tar: Extract, progress: Progress): Promise<void> {
  const gone = new Promise<void>((resolve) => tar.once('close', () => resolve()));
  try {
    for await (const chunk of inChunks(streamObject(path))) {
      progress.fed += chunk.length;
      // Padding may be long; a header may not.
      if (progress.fed > progress.allowed + 2 * chunkBytes && chunk.some((byte) => byte !== 0)) {
        throw new Error(`a header of more than ${mostHeaderBytes} bytes`);
      }
      if (tar.destroyed) return;
      if (!tar.write(chunk)) await Promise.race([once(tar, 'drain'), gone]);
    }
    if (!tar.destroyed) tar.end();
  } catch (error) {
    progress.failure = error;
    tar.destroy(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

/** Small pieces of larger ones: the extractor holds what it is handed. */
async function* inChunks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += chunkBytes) yield piece.subarray(at, at + chunkBytes);
  }
}
