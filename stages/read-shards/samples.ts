import { longKey, mostKeyBytes } from './keys.ts';
import type { TarMember } from './tar-members.ts';

/** What a tar's members of one name make: an image with its texts. */
export interface Sample {
  readonly key: string;
  image: { readonly bytes: Uint8Array; readonly path: string } | null;
  text: string | null;
  json: Readonly<Record<string, unknown>> | null;
  fault: { readonly reason: string; readonly detail: string } | null;
}

const imageExtensions = new Set(['jpg', 'jpeg', 'png', 'webp', 'gif']);
/** Texts and what is said of an image are short: more than this is something else. */
const mostTextBytes = 16 * 1024 * 1024;

/** A member's name in two: its sample's key, and which part of the sample it is. Null where it is part of none. */
export function splitName(name: string): { key: string; extension: string } | null {
  const clean = name.replace(/^(\.\/)+/, '');
  const base = clean.slice(clean.lastIndexOf('/') + 1);
  const dot = base.indexOf('.');
  if (dot <= 0 || dot === base.length - 1) return null;
  return {
    key: clean.slice(0, clean.length - base.length + dot),
    extension: base.slice(dot + 1).toLowerCase(),
  };
}

/** Whether a member's bytes are part of a sample, and few enough. */
export function isPartOfSample(name: string, size: number, mostBytes: number): boolean {
  const extension = splitName(name)?.extension ?? '';
  if (extension === 'txt' || extension === 'json') return size <= Math.min(mostTextBytes, mostBytes);
  return imageExtensions.has(extension) && size <= mostBytes;
}

/** A sample of no members yet. A key that points out of a folder, or is too long, is a fault: it is no name for anything. */
export function startSample(key: string): Sample {
  const isUnsafe = key.startsWith('/') || key.split(/[/\\]/).includes('..') || /^[a-z]:/i.test(key);
  const bytes = Buffer.byteLength(key);
  const unsafe = isUnsafe
    ? { reason: 'unsafe-name', detail: `the member's name is ${key.slice(0, 200)}` }
    : null;
  return {
    ...{ key, image: null, text: null, json: null },
    fault: unsafe ?? (bytes > mostKeyBytes ? longKey(bytes) : null),
  };
}

/** Adds a member to its sample, or finds what is wrong with it. The first fault stands. */
export function addMember(sample: Sample, member: TarMember, extension: string): void {
  if (!imageExtensions.has(extension) && extension !== 'txt' && extension !== 'json') return;
  sample.fault ??= faultOf(sample, member, extension);
  if (sample.fault !== null || member.bytes === null) return;
  if (extension === 'txt') sample.text = Buffer.from(member.bytes).toString();
  else if (extension === 'json') sample.json = parseObject(member.bytes);
  else sample.image = { bytes: member.bytes, path: member.name };
}

function faultOf(sample: Sample, { name, type, size, bytes, cut }: TarMember, extension: string) {
  const fault = (reason: string, detail: string) => ({ reason, detail });
  if (cut) return fault('cut-short', `the tar ends within ${name}, of ${size} bytes`);
  if (type !== 'file' && type !== 'contiguous-file') return fault('not-a-file', `${name} is a ${type}`);
  if (bytes === null) return fault('over-memory', `${name} has ${size} bytes, more than reading may hold`);
  const has = { txt: sample.text, json: sample.json }[extension] ?? null;
  if (has !== null || (imageExtensions.has(extension) && sample.image !== null)) {
    return fault('repeated-member', `${name} comes after another of its kind`);
  }
  if (extension === 'json' && parseObject(bytes) === null)
    return fault('bad-json', `${name} is no JSON object`);
  return null;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** A sample's texts: its text file, or the first of these names in its JSON that holds a text or a list of them. */
export function textsOf(sample: Sample, names: readonly string[]): string[] {
  if (sample.text !== null) return [sample.text];
  for (const name of names) {
    const value = sample.json?.[name];
    if (typeof value === 'string') return [value];
    if (Array.isArray(value)) return value.filter((item): item is string => typeof item === 'string');
  }
  return [];
}
