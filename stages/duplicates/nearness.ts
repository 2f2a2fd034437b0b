import { z } from 'zod';

/** How alike two images are to be near duplicates: both signals must hold. */
export const nearnessSchema = z.strictObject({
  /** The bits, of 64, in which their perceptual hashes may differ. */
  radius: z.int().min(0).max(16).default(5),
  /** The grey levels, root mean square over 4 x 4 cells, by which their colours may differ. */
  colours: z.number().min(0).max(255).default(3),
});

/** How alike two images are to be near duplicates. */
export type Nearness = z.infer<typeof nearnessSchema>;

/** The threshold of near duplicates in words. */
export function nearnessThreshold({ radius, colours }: Nearness): string {
  return `${radius} bits, colours ${colours}`;
}

/** How near two images were found to be, and how near was asked for. */
export interface FoundNearness {
  readonly distance: number;
  readonly colours: number;
}

/**
 * What is written down of a near duplicate: the row it repeats, the distance and the threshold of both signals, and
 * through which row where it is another one that connects them.
 */
export function nearnessValue(
  of: string,
  found: FoundNearness,
  options: Nearness,
  through: string = of,
): string {
  const by = through === of ? '' : ` through ${through}`;
  const colours = `colours ${found.colours.toFixed(2)} <= ${options.colours}`;
  return `of ${of}${by}: ${found.distance} <= ${options.radius} bits, ${colours}`;
}
