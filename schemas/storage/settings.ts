import { z } from 'zod';

const mebibyte = 1024 ** 2;

/** Whether a text is an address over HTTP, without a user, a password or a query. */
function isEndpoint(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search;
}

/** How object storage is reached. Credentials are no setting: the SDK's own chain finds them. */
export const storageSettingsSchema = z.strictObject({
  /** The address of an S3-compatible store; the SDK's own (`AWS_ENDPOINT_URL_S3`, or AWS itself) where absent. */
  endpoint: z
    .string()
    .refine(isEndpoint, { error: 'an address such as https://host:9000 is expected, without credentials' })
    .optional(),
  /** The SDK's own (`AWS_REGION`, the profile's) where absent. */
  region: z.string().min(1).optional(),
  /** Whether the bucket stands in the path, not in the host's name; so where an endpoint is given, unless told. */
  pathStyle: z.boolean().optional(),
  cache: z
    .strictObject({
      /** Bytes that are kept of objects read by ranges, in each process; 0 keeps nothing. */
      bytes: z
        .int()
        .min(0)
        .default(64 * mebibyte),
      /** A folder that they are kept in, over runs and for all processes; they are kept in memory where absent. */
      folder: z.string().min(1).optional(),
    })
    .prefault({}),
  /** How often a request is repeated that failed for reasons that pass. */
  retries: z.int().min(0).max(100).default(10),
  /** Seconds before the first repeat; each wait is up to twice as long as the last, to 20 seconds. */
  firstWait: z.number().min(0).max(20).default(0.2),
  /** Seconds without a byte, after which a request counts as broken. */
  timeout: z.number().positive().max(3600).default(30),
  /** Bytes of a part of an upload. */
  partBytes: z
    .int()
    .min(5 * mebibyte)
    .max(1024 * mebibyte)
    .default(8 * mebibyte),
});

/** How object storage is reached, with the defaults filled in. */
export type StorageSettings = z.infer<typeof storageSettingsSchema>;
