/** Maps this project's source columns to those of a kind of shard. */
export interface Preset {
  readonly key: string;
  readonly url: string | null;
  readonly image: string;
  readonly alt_texts: string;
  readonly page_title: string | null;
  readonly page_language: string | null;
  readonly width: string | null;
  readonly height: string | null;
}

/** The kinds of shard that can be read, by the name that `input.preset` gives. */
export const presets = {
  /** WebLI-style: one row an image, with all the alt-texts that pages gave it. */
  webli: {
    key: 'key',
    url: 'url',
    image: 'image',
    alt_texts: 'alt_texts',
    page_title: 'page_title',
    page_language: 'page_language',
    width: 'width',
    height: 'height',
  },
} as const satisfies Record<string, Preset>;

/** A preset's name. */
export type PresetName = keyof typeof presets;

/** The columns without which a row is nothing. */
export const requiredColumns = ['key', 'image', 'alt_texts'] as const;
