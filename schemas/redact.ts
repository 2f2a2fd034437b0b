/** What stands in a text where a secret stood. */
const hidden = '[secret]';
/** A shorter value is no secret worth the name, and hiding it would hide half of every text. */
const leastLetters = 8;
/** The variables that hold secrets, for whatever is read before anything has asked for credentials. */
const secretVariables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
];

const remembered = new Set<string>();

/** Makes {@link redact} hide a value from here on, as it is and as URLs write it. A short one is not remembered. */
export function rememberSecret(value: string | undefined): void {
  if (value === undefined || value.length < leastLetters) return;
  remembered.add(value);
  remembered.add(encodeURIComponent(value));
}

/**
 * A user and a password with a / ? or # in it, which no URL can have: what looks like a port isn't one. A colon after the
 * host is a path's.
 */
const misplaced = /:\/\/[^\s/?#@:"'<>\\]{0,200}:(?!\d{1,5}(?:[/?#\s"'<>\\]|$))[^\s"'<>\\]{0,200}@/g;

/**
 * A text without secrets: users and passwords of URLs, signatures of signed URLs, and every value that was remembered
 * or stands in one of the AWS variables. Everything that leaves the program as text goes through it: logs, errors,
 * reports and manifests.
 */
export function redact(text: string): string {
  for (const name of secretVariables) rememberSecret(process.env[name]);
  let clean = text
    .replace(misplaced, `://${hidden}@`)
    .replace(/:\/\/[^\s/?#"'<>\\]*@/g, `://${hidden}@`)
    .replace(
      /([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=)[^&\s"'<>\\]+/gi,
      `$1${hidden}`,
    );
  for (const secret of remembered) clean = clean.replaceAll(secret, hidden);
  return clean;
}
