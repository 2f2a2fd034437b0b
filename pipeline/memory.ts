import { z } from 'zod';
import { UsageError } from './errors.ts';

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** Bytes as a recipe or a flag gives them: a number, or a text such as `2GiB` or `512 MB`. Null when it is neither. */
export function parseBytes(text: string): number | null {
  const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const scale = units[(unit ?? '').toLowerCase()];
  return digits === undefined || scale === undefined ? null : Math.floor(Number(digits) * scale);
}

/** A setting in bytes, at the least so many as `least` says in words. */
export const bytesSchema = (least: string) =>
  z.unknown().transform((value, context): number => {
    const bytes = typeof value === 'number' ? value : parseBytes(String(value));
    if (bytes !== null && Number.isSafeInteger(bytes) && bytes >= (parseBytes(least) ?? 0)) return bytes;
    context.addIssue({
      code: 'custom',
      message: `bytes are expected, ${least} at the least, such as 2GiB: it is ${value}`,
    });
    return z.NEVER;
  });

/** A setting in bytes of memory: reading needs room for a page of each column and the batch that it makes. */
export const memorySchema = bytesSchema('16MiB');

/** The value of `--memory`, in bytes. Throws a {@link UsageError} when it is no size. */
export function memoryFlag(text: string): number {
  const parsed = memorySchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`--memory: ${parsed.error.issues[0]?.message}`);
}
