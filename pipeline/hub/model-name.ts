/** A model of a hub. */
export interface ModelName {
  readonly owner: string;
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const pattern = /^([A-Za-z0-9][\w.-]{0,95})\/([A-Za-z0-9][\w.-]{0,95})(?:@([A-Za-z0-9][\w.-]{0,95}))?$/;

/** Reads `owner/name` or `owner/name@revision`, the revision `main` unless told; null where a text is no such name. */
export function parseModelName(text: string): ModelName | null {
  const [, owner, name, revision = 'main'] = pattern.exec(text) ?? [];
  if (owner === undefined || name === undefined || text.includes('..')) return null;
  return { owner, name, revision };
}

/** The name without its revision. */
export function repositoryOf({ owner, name }: ModelName): string {
  return `${owner}/${name}`;
}
