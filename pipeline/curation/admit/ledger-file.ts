import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { DroppedRow, QuarantinedRow, StageContext } from '../../../schemas/stage.ts';

/** The name of such a file in a task's folder. */
export const ledgerName = 'left-out.jsonl';

type Entry = { readonly dropped: DroppedRow } | { readonly quarantined: QuarantinedRow };

/** Rows that don't go on, kept in a file until they are taken up in the order of the tasks. */
export interface LedgerFile extends Pick<StageContext, 'drop' | 'quarantine'> {
  /** Waits where the disk is slower. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file of such rows: one JSON object a line, in the order in which they are handed in. */
export function openLedgerFile(path: string): LedgerFile {
  const file = createWriteStream(path);
  const failed = new Promise<never>((_, reject) => file.once('error', reject));
  failed.catch(() => {});
  const add = (entry: Entry) => {
    file.write(`${JSON.stringify(entry)}\n`);
  };
  return {
    drop: (dropped) => add({ dropped }),
    quarantine: (quarantined) => add({ quarantined }),
    async flush() {
      if (file.writableNeedDrain) await Promise.race([once(file, 'drain'), failed]);
    },
    async close() {
      file.end();
      await Promise.race([once(file, 'finish'), failed]);
    },
  };
}

/** Hands a file's rows on, in their order. */
export async function replayLedgerFile(
  path: string,
  into: Pick<StageContext, 'drop' | 'quarantine'> & { flush(): Promise<void> },
): Promise<void> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const entry = JSON.parse(line) as Entry;
    if ('dropped' in entry) into.drop(entry.dropped);
    else into.quarantine(entry.quarantined);
    await into.flush();
  }
}
