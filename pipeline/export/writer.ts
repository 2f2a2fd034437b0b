import type { ExportedRow } from './rows.ts';

/** Writes exported rows into files of one format. */
export interface ExportWriter {
  write(rows: readonly ExportedRow[]): Promise<void>;
  /** Writes what is left; the files are whole once it returns. */
  close(): Promise<void>;
  /** Lets go of what is open; what was written stays for whoever clears the folder. */
  abort(): Promise<void>;
}
