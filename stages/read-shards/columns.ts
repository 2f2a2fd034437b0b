import type { SchemaTree } from 'hyparquet';
import { type Leaf, leafOf } from '../../schemas/parquet-reader/pages.ts';
import { describeType } from '../../schemas/parquet-schema.ts';
import type { Preset } from '../../schemas/presets.ts';

/** What a field can be read from. */
export type FieldKind = 'key' | 'text' | 'image' | 'texts' | 'size' | 'score';

/** A field of a row, with the leaves of the parquet column that it is read from. */
export interface PlannedColumn {
  readonly field: string;
  readonly kind: FieldKind;
  readonly leaves: readonly Leaf[];
}

/** The leaves that a row is read from, or how the shard's schema differs from what is expected. */
export type ColumnPlan =
  | { readonly columns: readonly PlannedColumn[] }
  | { readonly reason: 'missing-columns' | 'schema-differs'; readonly detail: string };

/** The types that each kind of field is read from, in the words of a message. */
const expectedTypes: Record<FieldKind, string> = {
  // LAION's numbers of samples are stored as doubles.
  key: 'string or whole number',
  text: 'string',
  image: 'struct{bytes: binary, path: string} or binary',
  texts: 'string or list<string>',
  size: 'integer or number',
  score: 'number',
};

const numeric = new Set(['INT32', 'INT64', 'FLOAT', 'DOUBLE']);

/** The field that says whether the row's image was fetched, and the one that says why not. */
export const statusFields = { status: '?status', error: '?error' } as const;

interface Wanted {
  readonly field: string;
  readonly kind: FieldKind;
  readonly names: readonly string[];
  readonly required: boolean;
}

function wantedColumns(kind: Preset): Wanted[] {
  const { key, url, image, alt_texts, page_title, page_language, width, height } = kind.columns;
  const named = (name: string | null) => (name === null ? [] : [name]);
  const optional = (field: string, of: FieldKind, name: string | null): Wanted => ({
    field,
    kind: of,
    names: named(name),
    required: false,
  });
  const columns: Wanted[] = [
    { field: 'key', kind: 'key', names: named(key), required: true },
    { field: 'image', kind: 'image', names: named(image), required: true },
    { field: 'alt_texts', kind: 'texts', names: alt_texts, required: true },
    optional('url', 'text', url),
    optional('page_title', 'text', page_title),
    optional('page_language', 'text', page_language),
    optional('width', 'size', width),
    optional('height', 'size', height),
    ...kind.scores.map((name) => optional(name, 'score', name)),
    optional(statusFields.status, 'text', kind.status?.column ?? null),
    optional(statusFields.error, 'text', kind.status?.error ?? null),
  ];
  return columns.filter(({ names }) => names.length > 0);
}

/**
 * Plans what to read of a shard by its schema. A shard that lacks a column it needs, or has one in a type that it
 * can't be read from, is told as what was expected against what it has.
 */
export function planColumns(schema: SchemaTree, kind: Preset): ColumnPlan {
  const columns: PlannedColumn[] = [];
  const missing: Wanted[] = [];
  const wrong: { want: Wanted; node: SchemaTree }[] = [];
  for (const want of wantedColumns(kind)) {
    const node = want.names
      .map((name) => schema.children.find((child) => child.element.name === name))
      .find((child) => child !== undefined);
    if (node === undefined) {
      if (want.required) missing.push(want);
      continue;
    }
    const leaves = leavesOf(node, want.kind);
    if (leaves === null) wrong.push({ want, node });
    else columns.push({ field: want.field, kind: want.kind, leaves });
  }
  if (missing.length > 0) {
    const expected = missing.map(({ names, kind: of }) => `${names.join(' or ')}: ${expectedTypes[of]}`);
    return {
      reason: 'missing-columns',
      detail: `expected ${expected.join('; ')}. The shard has ${listed(schema)}`,
    };
  }
  if (wrong.length > 0) {
    const told = wrong.map(
      ({ want, node }) =>
        `expected ${node.element.name}: ${expectedTypes[want.kind]}, and it is ${describeType(node)}`,
    );
    return { reason: 'schema-differs', detail: `${told.join('; ')}. The shard has ${listed(schema)}` };
  }
  return { columns };
}

/** The shard's columns and types, as far as a person reads on. */
function listed(schema: SchemaTree): string {
  const all = schema.children.map((child) => `${child.element.name}: ${describeType(child)}`);
  const text = all.slice(0, 40).join(', ');
  const shown = text.length > 2000 ? `${text.slice(0, 2000)}…` : text;
  return all.length > 40 ? `${shown} and ${all.length - 40} more` : shown;
}

function leavesOf(node: SchemaTree, kind: FieldKind): readonly Leaf[] | null {
  if (kind === 'image') {
    const flat = flatLeaf([node], isBytes);
    if (flat !== null) return [flat];
    if (node.element.repetition_type === 'REPEATED') return null;
    const field = (name: string) => node.children.find((child) => child.element.name === name);
    const [bytes, path] = [field('bytes'), field('path')];
    const leaf = bytes === undefined ? null : flatLeaf([node, bytes], isBytes);
    const pathLeaf = path === undefined ? null : flatLeaf([node, path], isBytes);
    if (leaf === null) return null;
    return pathLeaf === null ? [leaf] : [leaf, pathLeaf];
  }
  if (kind === 'texts') {
    const path = onlyPath(node);
    const leaf = path && leafOf(path);
    return leaf && isBytes(leaf) && leaf.maxRepetition <= 1 ? [leaf] : null;
  }
  const accepts = (leaf: Leaf) =>
    (kind !== 'text' && numeric.has(leaf.type)) || ((kind === 'text' || kind === 'key') && isBytes(leaf));
  const leaf = flatLeaf([node], accepts);
  return leaf === null ? null : [leaf];
}

/** Texts of older writers aren't declared as such: their bytes are read as UTF-8. */
const isBytes = (leaf: Leaf) => leaf.type === 'BYTE_ARRAY';

function flatLeaf(path: readonly SchemaTree[], accepts: (leaf: Leaf) => boolean): Leaf | null {
  if ((path.at(-1)?.children.length ?? 1) > 0) return null;
  const leaf = leafOf(path);
  return leaf.maxRepetition === 0 && accepts(leaf) ? leaf : null;
}

/** The way down to the one leaf below a node; null where there are several. */
function onlyPath(node: SchemaTree): SchemaTree[] | null {
  const path = [node];
  for (let at = node; at.children.length > 0; ) {
    const [child] = at.children;
    if (child === undefined || at.children.length > 1) return null;
    path.push(child);
    at = child;
  }
  return path;
}
