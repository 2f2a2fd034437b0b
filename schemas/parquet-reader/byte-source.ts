export { openObject as openByteSource } from '../storage/open-storage.ts';
export type { ByteSource, OpenByteSource } from '../storage/storage.ts';
