import { z } from 'zod';
import type { Sort } from './api.ts';

/** The order that a cursor is a place in. */
export interface Order {
  readonly sort: Sort;
  readonly direction: 'asc' | 'desc';
}

/** A place in an order: after the row of this number, whose value is this; null where it has none. */
export interface Place {
  readonly value: number | null;
  readonly id: number;
}

/** A cursor that isn't one of ours, or of another order. */
export class CursorError extends Error {
  override readonly name = 'CursorError';
  readonly statusCode = 400;
}

const schema = z.tuple([z.string(), z.enum(['asc', 'desc']), z.number().nullable(), z.int().nonnegative()]);

/** Writes a place as what callers hand back. A value that isn't finite stands for none. */
export function encodeCursor({ value, id }: Place, { sort, direction }: Order): string {
  const finite = value !== null && Number.isFinite(value) ? value : null;
  return Buffer.from(JSON.stringify([sort, direction, finite, id])).toString('base64url');
}

/** Reads a cursor back. Throws a {@link CursorError} when it is none, or one of another order. */
export function decodeCursor(cursor: string, { sort, direction }: Order): Place {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw new CursorError('cursor: not one of this server');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new CursorError('cursor: not one of this server');
  if (parsed.data[0] !== sort || parsed.data[1] !== direction)
    throw new CursorError('cursor: of another order');
  return { value: parsed.data[2], id: parsed.data[3] };
}
