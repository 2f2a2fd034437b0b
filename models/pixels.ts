/** 8-bit pixels to the towers' input: 0 to -1, 255 to 1, as SigLIP's `value_range(-1, 1)`. */
export function normalizePixels(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (value) => value / 127.5 - 1);
}
