import { LRUCache } from 'lru-cache';
import { createDiskCache } from './disk-cache.ts';
import type { StorageSettings } from './settings.ts';

/** Bytes of a block, but for an object's last one. */
export const blockBytes = 1024 * 1024;

/** Blocks by key, bounded by bytes: the least used make room. */
export interface BlockCache {
  /** The bound. */
  readonly bytes: number;
  get(key: string): Promise<Uint8Array | null>;
  /** Never throws: what can't be kept isn't. */
  put(key: string, block: Uint8Array): Promise<void>;
}

/** Opens the cache of the settings: in memory, or in a folder; null where nothing is to be kept. */
export function createBlockCache({ bytes, folder }: StorageSettings['cache']): BlockCache | null {
  if (bytes < blockBytes) return null;
  return folder === undefined ? createMemoryCache(bytes) : createDiskCache(folder, bytes, blockBytes);
}

function createMemoryCache(bytes: number): BlockCache {
  const blocks = new LRUCache<string, Uint8Array>({
    maxSize: bytes,
    sizeCalculation: (block, key) => Math.max(1, block.length + key.length),
  });
  return {
    bytes,
    get: async (key) => blocks.get(key) ?? null,
    async put(key, block) {
      blocks.set(key, block);
    },
  };
}
