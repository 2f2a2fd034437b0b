/** What is held of a file at a time, against a limit. */
export interface Memory {
  readonly most: number;
  /** Counts bytes before they are allocated. Throws {@link OverMemory} when they don't fit. */
  take(bytes: number, what: string): void;
  give(bytes: number): void;
}

/** What is needed doesn't fit the memory that reading may take. */
export class OverMemory extends Error {}

/** Counts what is held against a limit in bytes. */
export function createMemory(most: number): Memory {
  let held = 0;
  return {
    most,
    take(bytes, what) {
      if (held + bytes > most) {
        throw new OverMemory(
          `${what} needs ${readableBytes(bytes)} beside the ${readableBytes(held)} held, over ${readableBytes(most)}`,
        );
      }
      held += bytes;
    },
    give(bytes) {
      held -= bytes;
    },
  };
}

/** Bytes as people read them: 1.5 GiB. */
export function readableBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
