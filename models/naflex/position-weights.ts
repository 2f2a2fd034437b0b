import { tapsOf } from '../resample.ts';

/**
 * How the position embedding of every patch comes of a square grid of learned ones: bilinear, antialiased, to the grid of
 * its image (SigLIP 2, arXiv 2502.14786, section 2.4.2). As weights [count, N, side^2] a resize is a product, of which a
 * gradient is known; the rows of pads are 0. `shapes` [count, 2] are heights and widths in patches. Throws when a grid
 * has more than N patches.
 */
export function positionWeights(shapes: Int32Array, sequenceLength: number, side: number): Float32Array {
  const count = shapes.length / 2;
  const places = side * side;
  const weights = new Float32Array(count * sequenceLength * places);
  const grids = new Map<string, Float32Array>();
  for (let image = 0; image < count; image += 1) {
    const [height = 0, width = 0] = shapes.subarray(image * 2, image * 2 + 2);
    if (height * width > sequenceLength) {
      throw new Error(`a grid of ${height} x ${width} patches is longer than ${sequenceLength}`);
    }
    // A row that only fills the batch up has no patches.
    if (height * width === 0) continue;
    const key = `${height} ${width}`;
    const grid = grids.get(key) ?? gridWeights(height, width, side);
    grids.set(key, grid);
    weights.set(grid, image * sequenceLength * places);
  }
  return weights;
}

/** Of one grid: [height * width, side^2]. */
function gridWeights(height: number, width: number, side: number): Float32Array {
  const [down, across] = [tapsOf(side, height), tapsOf(side, width)];
  const weights = new Float32Array(height * width * side * side);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const to = (y * width + x) * side * side;
      for (let j = 0; j < down.width; j += 1) {
        for (let k = 0; k < across.width; k += 1) {
          const place = ((down.first[y] as number) + j) * side + (across.first[x] as number) + k;
          weights[to + place] =
            (down.weights[y * down.width + j] as number) * (across.weights[x * across.width + k] as number);
        }
      }
    }
  }
  return weights;
}
