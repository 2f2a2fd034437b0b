import { open } from 'node:fs/promises';

/** `metrics.jsonl`: one JSON object a line, in the order of the steps. */
export interface MetricsFile {
  add(line: object): Promise<void>;
  /** Bytes so far: what a run that goes on from here begins with. */
  bytes(): number;
  close(): Promise<void>;
}

/** Opens the file cut back to its first `bytes`; 0 begins anew. */
export async function openMetrics(path: string, bytes: number): Promise<MetricsFile> {
  const file = await open(path, bytes > 0 ? 'r+' : 'w');
  await file.truncate(bytes);
  let at = bytes;
  return {
    async add(line) {
      const text = Buffer.from(`${JSON.stringify(line)}\n`);
      await file.write(text, 0, text.length, at);
      at += text.length;
    },
    bytes: () => at,
    close: () => file.close(),
  };
}
