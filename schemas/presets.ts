/** Maps this project's source columns to those of a kind of shard; null where the kind has no such column. */
export interface ColumnMap {
  /** Without one, a row's key is its shard's name and its place. */
  readonly key: string | null;
  readonly url: string | null;
  /** Without one, the rows are metadata only. */
  readonly image: string | null;
  /** The first of these that a shard has. */
  readonly alt_texts: readonly string[];
  readonly page_title: string | null;
  readonly page_language: string | null;
  readonly width: string | null;
  readonly height: string | null;
}

/** A kind of shard. */
export interface Preset {
  readonly columns: ColumnMap;
  /** The extensions of its shards; a parquet file beside a tar of the same name is the tar's list of rows. */
  readonly files: readonly ('parquet' | 'tar')[];
  /** Numbers that are carried along under their own names, as single precision. */
  readonly scores: readonly string[];
  /** Columns that say whether the row's image was fetched, and why not. */
  readonly status: { readonly column: string; readonly sound: string; readonly error: string } | null;
}

/** Whether a parquet file beside a tar of its name is the tar's list, and no shard. */
export function hasLists({ files, status }: Preset): boolean {
  return status !== null && files.includes('tar');
}

const parquet = { files: ['parquet'], scores: [], status: null } as const;
const nothing = {
  key: null,
  url: null,
  image: null,
  alt_texts: [],
  page_title: null,
  page_language: null,
  width: null,
  height: null,
} as const satisfies ColumnMap;

/** The kinds of shard that can be read, by the name that `input.preset` gives. */
export const presets = {
  /** WebLI-style: one row an image, with all the alt-texts that pages gave it. */
  webli: {
    ...parquet,
    columns: {
      key: 'key',
      url: 'url',
      image: 'image',
      alt_texts: ['alt_texts'],
      page_title: 'page_title',
      page_language: 'page_language',
      width: 'width',
      height: 'height',
    },
  },
  /** What img2dataset downloads: parquet with the image in it, or tars with a parquet list beside each. */
  img2dataset: {
    files: ['tar', 'parquet'],
    scores: [],
    status: { column: 'status', sound: 'success', error: 'error_message' },
    columns: {
      ...nothing,
      key: 'key',
      url: 'url',
      image: 'jpg',
      alt_texts: ['caption'],
      width: 'width',
      height: 'height',
    },
  },
  /** Tars whose members are grouped by name: an image, and texts in `.txt` or `.json`. */
  webdataset: {
    files: ['tar'],
    scores: [],
    status: null,
    columns: {
      ...nothing,
      key: 'key',
      url: 'url',
      image: 'jpg',
      alt_texts: ['caption', 'text'],
      width: 'width',
      height: 'height',
    },
  },
  /** Hugging Face's image column, struct{bytes, path}, beside a text or a list of them. */
  'hf-image': {
    ...parquet,
    columns: {
      ...nothing,
      image: 'image',
      alt_texts: ['text', 'caption', 'captions', 'texts', 'alt_text', 'alt_texts'],
    },
  },
  /** LAION's metadata: addresses and texts, no images. */
  laion: {
    ...parquet,
    scores: ['similarity', 'pwatermark', 'punsafe'],
    columns: {
      ...nothing,
      key: 'SAMPLE_ID',
      url: 'URL',
      alt_texts: ['TEXT'],
      width: 'WIDTH',
      height: 'HEIGHT',
    },
  },
  /** DataComp's metadata: addresses, texts and CLIP similarities, no images. */
  datacomp: {
    ...parquet,
    scores: ['clip_b32_similarity_score', 'clip_l14_similarity_score'],
    columns: {
      ...nothing,
      key: 'uid',
      url: 'url',
      alt_texts: ['text'],
      width: 'original_width',
      height: 'original_height',
    },
  },
} as const satisfies Record<string, Preset>;

/** A preset's name. */
export type PresetName = keyof typeof presets;

/** The columns that a recipe names itself: what it leaves out isn't read. */
export type NamedColumns = {
  readonly [Name in keyof ColumnMap]?: string | undefined;
};

/**
 * What a recipe reads: a preset, a map of columns of its own, or a preset with some columns named otherwise. Without
 * either it is `webli`.
 */
export function inputKind(input: {
  readonly preset?: PresetName | undefined;
  readonly columns?: NamedColumns | undefined;
}): Preset {
  const base: Preset =
    input.preset === undefined && input.columns !== undefined
      ? { ...parquet, columns: nothing }
      : presets[input.preset ?? 'webli'];
  const named = Object.entries(input.columns ?? {}).filter(([, name]) => name !== undefined);
  const columns = named.map(([field, name]) => [field, field === 'alt_texts' ? [name] : name]);
  return { ...base, columns: { ...base.columns, ...Object.fromEntries(columns) } };
}
