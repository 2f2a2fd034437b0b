import { GetObjectCommand } from '@aws-sdk/client-s3';
import { parseS3 } from './locations.ts';
import { BrokenAnswer, changed, mayPass, type S3Requests } from './s3-requests.ts';
import type { ObjectFacts } from './storage.ts';

/** With so many bytes more than before it broke, a read has got somewhere, and its retries are counted anew. */
const enoughBytes = 256 * 1024;

/**
 * Reads bytes [start, start + length) of an object that must still be the one whose facts are given. What is left of
 * a body that breaks, stalls or ends early is asked for from where it broke.
 */
export async function readObjectRange(
  requests: S3Requests,
  { location, version }: ObjectFacts,
  start: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { bucket, key } = parseS3(location);
  const about = `${location}, bytes ${start} to ${start + length}`;
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const before = done;
    await requests.run(about, async (client, { signal, alive }) => {
      const from = start + done;
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        Range: `bytes=${from}-${start + length - 1}`,
        IfMatch: version,
      });
      try {
        const { Body: body, ETag, ContentRange } = await client.send(command, { abortSignal: signal });
        // Stores that know no If-Match still say what they sent.
        if (ETag !== undefined && ETag !== version) throw changed(about);
        if (ContentRange !== undefined ? !ContentRange.startsWith(`bytes ${from}-`) : from > 0) {
          throw new BrokenAnswer(
            `bytes ${ContentRange ?? 'from the start'} came in place of those asked for`,
          );
        }
        for await (const chunk of body as AsyncIterable<Uint8Array>) {
          alive();
          if (done + chunk.length > length) throw new BrokenAnswer('more bytes came than were asked for');
          bytes.set(chunk, done);
          done += chunk.length;
        }
        if (done < length) throw new BrokenAnswer(`the body ended after ${done} of ${length} bytes`);
      } catch (error) {
        if (mayPass(error) && done - before >= enoughBytes) return;
        throw error;
      }
    });
  }
  return bytes;
}
