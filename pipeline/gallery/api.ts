import type { Why } from '../inspect/why.ts';

// What the gallery's server and its page say to each other.

/** Where a row ended. */
export const outcomes = ['kept', 'dropped', 'quarantined'] as const;
export type Outcome = (typeof outcomes)[number];

/** What rows can be sorted by, and (but for `order`) held within a range of. */
export const sorts = {
  order: 'as written',
  shuffle: 'shuffled',
  text_score: 'teacher similarity',
  learnability: 'learnability, best',
  selections: 'times selected',
  first_step: 'step first selected',
  language_score: 'language score',
  region_count: 'regions',
  region_score: 'best region score',
  characters: 'characters of text',
  pixels: 'pixels',
  entropy: 'image entropy',
  sharpness: 'image sharpness',
  group_size: 'size of duplicate group',
  nearness: 'nearness to the search',
} as const;
export type Sort = keyof typeof sorts;

/** The columns over which facets count, in the order in which they are shown. */
export const facetNames = ['outcome', 'language', 'stage', 'reason'] as const;
export type FacetName = (typeof facetNames)[number];

/** One labelled region: box (ymin, xmin, ymax, xmax) as fractions of the picture. */
export interface Region {
  readonly box: readonly [number, number, number, number];
  readonly text: string;
  readonly score: number;
}

/** One row as a card shows it. What isn't known is null. */
export interface Row {
  readonly id: number;
  readonly outcome: Outcome;
  readonly key: string | null;
  readonly text: string | null;
  readonly texts: readonly string[];
  readonly language: string | null;
  readonly language_score: number | null;
  readonly stage: string | null;
  readonly reason: string | null;
  readonly value: string | null;
  readonly threshold: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly text_score: number | null;
  readonly learnability: number | null;
  readonly selections: number | null;
  readonly first_step: number | null;
  readonly group_key: string | null;
  readonly group_size: number | null;
  readonly regions: readonly Region[];
  /** Nearness to the search, where there is one. */
  readonly nearness: number | null;
}

/** One page of rows: the cursor of the next one, or null at the end. */
export interface RowsPage {
  readonly rows: readonly Row[];
  readonly next: string | null;
}

/** One value of a facet, with the rows that have it under the other facets. */
export interface FacetValue {
  readonly value: string | null;
  readonly rows: number;
}

/** How many rows there are, and how they are spread. */
export interface Facets {
  readonly total: number;
  readonly values: Readonly<Record<FacetName, readonly FacetValue[]>>;
}

/** Cursors along the rows, `every` rows from each other, so that a scrollbar can be dragged anywhere. */
export interface Anchors {
  readonly every: number;
  readonly cursors: readonly string[];
}

/** What a run holds, said once. */
export interface About {
  readonly run: string;
  /** Part of the pictures' addresses, so that another run's are never taken for this one's. */
  readonly epoch: string;
  readonly rows: Readonly<Record<Outcome, number>>;
  /** Sorts that have a value in this run, with its bounds. */
  readonly scores: readonly { readonly name: Sort; readonly least: number; readonly most: number }[];
  /** The last step of the selections; null where there are none. */
  readonly lastStep: number | null;
  /** Why texts and pictures can't be searched for by embeddings; null where there is. */
  readonly searchOff: string | null;
  /** Why there are no "more like this"; null where there are. */
  readonly likeOff: string | null;
  /** Why rows that were left out have no picture or no text; null where they have. */
  readonly sourcesOff: string | null;
}

/** A search by embeddings: rows near it are asked for by its name. */
export interface Search {
  readonly search: string;
  readonly found: number;
}

/** Everything about one row. */
export interface Detail {
  readonly row: Row;
  readonly url: string | null;
  /** The rows of its duplicates' group, the kept one first. */
  readonly group: readonly Row[];
  /** Its life; null where it has no key to be told by. */
  readonly why: Why | null;
}
