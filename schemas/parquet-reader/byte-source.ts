import { type FileHandle, open, stat } from 'node:fs/promises';

/** A file that is read by ranges. */
export interface ByteSource {
  readonly path: string;
  readonly size: number;
  /** Bytes [start, start + length). Throws when the file ends before that. */
  read(start: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Keeps the file open over many reads, until it is closed. */
  open(): Promise<Pick<ByteSource, 'read'> & { close(): Promise<void> }>;
}

/** Reads a file by ranges, holding nothing open between them unless asked to. Throws when it is missing. */
export async function openByteSource(path: string): Promise<ByteSource> {
  const { size } = await stat(path);
  return {
    path,
    size,
    async read(start, length) {
      const file = await open(path, 'r');
      try {
        return await readRange(file, size, start, length);
      } finally {
        await file.close();
      }
    },
    async open() {
      const file = await open(path, 'r');
      return {
        read: (start, length) => readRange(file, size, start, length),
        close: () => file.close(),
      };
    },
  };
}

async function readRange(file: FileHandle, size: number, start: number, length: number) {
  if (start < 0 || length < 0 || start + length > size) {
    throw new Error(`bytes ${start} to ${start + length} are outside a file of ${size}`);
  }
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) throw new Error(`the file ends at ${start + done}: it shrank while it was read`);
    done += bytesRead;
  }
  return bytes;
}
