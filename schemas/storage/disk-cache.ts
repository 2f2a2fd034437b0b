import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import xxhash from 'xxhash-wasm';
import type { BlockCache } from './block-cache.ts';

/** Files that a block may be in. */
const ways = 4;
const magic = 'assay-b1';
/** magic, the key's sha256, the block's length, its xxh64, and nothing up to 64. */
const headerBytes = 64;

/**
 * A cache of blocks in a folder, which all processes of this machine share and later runs find again. Its bound holds
 * by its build: there are only so many files, of only so many bytes. A block's key says which four it may be in, and
 * the one of them that was used the longest ago makes room. Files are written over in place, and a block is taken for
 * sound only where its own digest says so: neither a crash, a full disk nor two writers at once can spoil a read.
 */
export function createDiskCache(folder: string, bytes: number, blockBytes: number): BlockCache {
  const sets = Math.max(1, Math.floor(bytes / ((blockBytes + headerBytes) * ways)));
  const name = `blocks-${sets}-${blockBytes}`;
  const ready = prepare(folder, name);
  const hasher = xxhash();
  const filesOf = (digest: Buffer): string[] => {
    const set = digest.readUInt32LE(0) % sets;
    return Array.from({ length: ways }, (_, way) => join(folder, name, `${set}-${way}`));
  };
  return {
    bytes,
    async get(key) {
      const { h64Raw } = await hasher;
      const digest = digestOf(key);
      for (const file of filesOf(digest)) {
        if (!(await holds(file, digest))) continue;
        const all = await readFile(file).catch(() => Buffer.alloc(0));
        if (all.length < headerBytes || !isOf(all, digest)) continue;
        const block = all.subarray(headerBytes);
        if (block.length !== all.readUInt32LE(40) || h64Raw(block) !== all.readBigUInt64LE(44)) continue;
        const now = new Date();
        await utimes(file, now, now).catch(() => {});
        return block;
      }
      return null;
    },
    async put(key, block) {
      if (block.length > blockBytes) return;
      try {
        await ready;
        const { h64Raw } = await hasher;
        const header = Buffer.alloc(headerBytes);
        header.write(magic, 'latin1');
        const digest = digestOf(key);
        digest.copy(header, 8);
        header.writeUInt32LE(block.length, 40);
        header.writeBigUInt64LE(h64Raw(block), 44);
        const file = await leastUsed(filesOf(digest), digest);
        await writeFile(file, Buffer.concat([header, block]), { mode: 0o600 });
      } catch {
        // Reading goes on without it: a cache that can't be written to is only slower.
      }
    },
  };
}

/** Makes the folder, and clears away what a cache of another size left in it. */
async function prepare(folder: string, name: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  for (const other of await readdir(folder)) {
    if (/^blocks-\d+-\d+$/.test(other) && other !== name) {
      await rm(join(folder, other), { recursive: true, force: true });
    }
  }
}

const digestOf = (key: string): Buffer => createHash('sha256').update(key).digest();

const isOf = (header: Buffer, digest: Buffer): boolean =>
  header.toString('latin1', 0, 8) === magic && header.subarray(8, 40).equals(digest);

async function holds(file: string, digest: Buffer): Promise<boolean> {
  try {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
      return bytesRead === headerBytes && isOf(buffer, digest);
    } finally {
      await handle.close();
    }
  } catch {
    return false;
  }
}

/** The file for a block: its own, else one that isn't there, else the one that was used the longest ago. */
async function leastUsed(files: readonly string[], digest: Buffer): Promise<string> {
  let [chosen, oldest] = [files[0] ?? '', Number.POSITIVE_INFINITY];
  for (const file of files) {
    if (await holds(file, digest)) return file;
    const used = (await stat(file).catch(() => null))?.mtimeMs ?? Number.NEGATIVE_INFINITY;
    if (used < oldest) [chosen, oldest] = [file, used];
  }
  return chosen;
}
