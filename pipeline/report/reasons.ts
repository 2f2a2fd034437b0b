const reasons: Readonly<Record<string, string>> = {
  'unreadable-row-group': 'the row group cannot be decoded',
  'unreadable-shard': 'the shard cannot be read',
  'no-key': 'the row has no key',
  'long-key': 'the key is longer than 4 kB',
  'wrong-type': 'a value has the wrong type',
  'empty-image': 'the image has no bytes',
  'unknown-format': 'not JPEG, PNG, WebP or GIF',
  'undecodable-image': 'the image is truncated or corrupt',
  'pixel-limit': 'more pixels than are decoded',
  'too-small': 'the shorter side is too short',
  aspect: 'too long and narrow',
  animated: 'the image has more than one frame',
  blank: 'the image is of one flat colour, or nearly so',
  'near-blank': 'there is hardly anything in the image',
  boilerplate: 'every alt-text stands with too many images to describe one',
  'no-alt-text': 'no alt-text is worth keeping',
  'exact-duplicate': 'the same bytes as a kept row',
  'near-duplicate': 'nearly the same picture as a kept row',
  'near-evaluation': 'in an evaluation set, or nearly the same picture as one of its images',
  'unknown-language': 'the language cannot be told',
  balance: 'its terms are frequent in its language, and it was not drawn',
  'over-share': 'the mix asks for no more of its language',
};

const stages: Readonly<Record<string, string>> = {
  'read-shards': 'Read shards',
  'check-images': 'Check images',
  'hash-images': 'Hash images',
  'clean-texts': 'Clean texts',
  'identify-language': 'Identify language',
  'drop-boilerplate': 'Drop boilerplate',
  decontaminate: 'Decontaminate',
  deduplicate: 'Deduplicate',
  'balance-terms': 'Balance terms',
  'mix-languages': 'Mix languages',
  'label-regions': 'Label regions',
  'embed-with-teacher': 'Embed with the teacher',
  'write-shards': 'Write shards',
  evaluate: 'Evaluate',
  'evaluate-teacher': 'Evaluate the teacher',
};

const own = (table: Readonly<Record<string, string>>, name: string) =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** What a reason means, in words; the reason itself when it isn't one of the project's. */
export function reasonWords(reason: string): string {
  return own(reasons, reason) ?? reason.replaceAll('-', ' ');
}

/** A stage's name as a title. */
export function stageTitle(stage: string): string {
  const words = stage.replaceAll('-', ' ');
  return own(stages, stage) ?? words.charAt(0).toUpperCase() + words.slice(1);
}
