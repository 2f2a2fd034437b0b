/** 8-bit pixels to the towers' input: 0 to -1, 255 to 1, as SigLIP's `value_range(-1, 1)`. */
export function normalizePixels(pixels: Uint8Array): Float32Array {
  const values = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i += 1) values[i] = (pixels[i] as number) / 127.5 - 1;
  return values;
}
