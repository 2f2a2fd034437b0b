import { Binary, Field, FixedSizeList, Float16, Float32, Int32, List, Struct, Utf8 } from 'apache-arrow';

const field = (name: string, type: Field['type']) => new Field(name, type, true);

/** The Arrow types of the columns that every row has once it is read: WebLI-style pages' images with alt-texts. */
export const rowTypes = {
  /** The row's name, unique in the data set. */
  key: new Utf8(),
  url: new Utf8(),
  /** The encoded image and its path in the source. */
  image: new Struct([field('bytes', new Binary()), field('path', new Utf8())]),
  /** 1 to 5 alt-texts, as the page had them. */
  alt_texts: new List(field('element', new Utf8())),
  page_title: new Utf8(),
  /** The language that the page declares (BCP 47), sometimes wrong. */
  page_language: new Utf8(),
  /** Pixels, as the source declares them until the image is decoded. */
  width: new Int32(),
  height: new Int32(),
} as const;

/** Where a row was read: columns that stages carry and the writer of shards leaves out. */
export const provenanceTypes = {
  shard: new Utf8(),
  row_group: new Int32(),
  /** The row's index in its row group. */
  row: new Int32(),
} as const;

/** One labelled region: box (ymin, xmin, ymax, xmax) as fractions of the image, the n-gram, its score in [0, 1]. */
export const regionType = new Struct([
  field('box', new FixedSizeList(4, field('element', new Float32()))),
  field('text', new Utf8()),
  field('score', new Float32()),
]);

/** One sequence of LocCa's decoder: the prefix is given, the loss is on the target. */
export const loccaType = new List(
  field(
    'element',
    new Struct([field('task', new Utf8()), field('prefix', new Utf8()), field('target', new Utf8())]),
  ),
);

/** The Arrow types of the columns that curation adds. */
export const curatedTypes = {
  /** sha256 of the encoded image, in hexadecimal. */
  sha256: new Utf8(),
  /** The identified language (BCP 47), `und` where it cannot be told. */
  language: new Utf8(),
  /** The probability of that language. */
  language_score: new Float32(),
  /** The alt-text that trains, drawn from the row's by seed. */
  text: new Utf8(),
  regions: new List(field('element', regionType)),
  /** The teacher's cosine similarity of the image and each of `alt_texts`. */
  text_scores: new List(field('element', new Float32())),
  /** The teacher's cosine similarity of the image and `text`. */
  text_score: new Float32(),
} as const;

/** The Arrow type of an embedding of d numbers as shards store it: unit length, half precision. */
export function embeddingType(d: number): FixedSizeList<Float16> {
  return new FixedSizeList(d, new Field('element', new Float16(), true));
}

/**
 * The columns of `quarantine/*.parquet`: bad data, with where it was and why it is bad. An entry without a row is for all
 * rows of its row group, or of its shard, from `first_row` on.
 */
export const quarantineTypes = {
  key: new Utf8(),
  shard: new Utf8(),
  row_group: new Int32(),
  row: new Int32(),
  first_row: new Int32(),
  stage: new Utf8(),
  reason: new Utf8(),
  detail: new Utf8(),
} as const;

/**
 * The columns of `dropped/*.parquet`: sound rows that a stage left out, with the value that decided and the threshold
 * that it was held against (null where nothing was measured), and where it was read.
 */
export const droppedTypes = {
  key: new Utf8(),
  stage: new Utf8(),
  reason: new Utf8(),
  value: new Utf8(),
  threshold: new Utf8(),
  /** The row that is kept in its place, of a duplicate. */
  kept_key: new Utf8(),
  /** Null before it is identified. */
  language: new Utf8(),
  ...provenanceTypes,
} as const;
