import type { Location } from './locations.ts';

/** What is known of an object without reading it. */
export interface ObjectFacts {
  readonly location: Location;
  /** Bytes. */
  readonly size: number;
  /** What is another once the object is another: an ETag; of a file its size, time and number. */
  readonly version: string;
  /** In hexadecimal, where it was written with the object. */
  readonly sha256: string | null;
}

/**
 * An object that is read by ranges: as it was when it was opened. Reads throw a `StorageError` once it is another,
 * or can't be had.
 */
export interface ByteSource {
  readonly path: Location;
  readonly size: number;
  readonly version: string;
  /** Bytes [start, start + length), the caller's own. Throws when the object ends before that. */
  read(start: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Keeps what reading needs over many reads, until it is closed. */
  open(): Promise<OpenByteSource>;
}

/** An object that is open for many reads. */
export interface OpenByteSource {
  /**
   * Bytes [start, start + length): written into `into`, of as many bytes, where it is given and the storage can, and
   * otherwise the caller's own. Throws when the object ends before that.
   */
  read(start: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** An object being written: it is there, whole, once `close` has returned, and never in part. */
export interface ObjectWriter {
  /** Adds bytes, waiting where the storage is slower. They may be used again once it has returned. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  /** Throws away what was written. Never throws. */
  abort(): Promise<void>;
}

/** What an object is written with. */
export interface WriteOptions {
  /** In hexadecimal: kept with the object where the storage can. */
  readonly sha256?: string | undefined;
}

/** Where bytes are kept. Everything throws a `StorageError` that names the object and what to do. */
export interface Storage {
  /** Null where there is no object. */
  stat(location: Location): Promise<ObjectFacts | null>;
  /**
   * The objects under a folder or prefix, or those that a glob matches, in the order of their names' bytes. Names that
   * begin with a dot are passed over.
   */
  list(pattern: Location): AsyncGenerator<ObjectFacts>;
  open(location: Location): Promise<ByteSource>;
  /** The object from its start to its end. */
  stream(location: Location): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Writes a small object at once: whole or not at all. */
  put(location: Location, bytes: Uint8Array, options?: WriteOptions): Promise<void>;
  /** Begins an object of any size. */
  create(location: Location, options?: WriteOptions): Promise<ObjectWriter>;
  /** Takes an object away; one that isn't there is no fault. */
  delete(location: Location): Promise<void>;
  /** Gives back connections and memory. */
  close(): Promise<void>;
}
