export { openObject as openByteSource } from '../storage/open-storage.ts';
export type { ByteSource } from '../storage/storage.ts';
