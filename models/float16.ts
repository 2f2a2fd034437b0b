const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** Floats to IEEE 754 half precision, rounded to the nearest, ties to even; too large ones become infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i += 1) halves[i] = halfOf(values[i] ?? 0);
  return halves;
}

/** The value of every pattern: there are few, and embeddings are made of millions of them. */
let everyFloat: Float32Array | null = null;

/** Half-precision floats to single precision, exactly. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  everyFloat ??= Float32Array.from({ length: 65_536 }, (_, half) => floatOf(half));
  const table = everyFloat;
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) values[i] = table[halves[i] as number] as number;
  return values;
}

function halfOf(value: number): number {
  floats[0] = value;
  const pattern = bits[0] ?? 0;
  const sign = (pattern >>> 16) & 0x8000;
  const exponent = (pattern >>> 23) & 0xff;
  const mantissa = pattern & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa === 0 ? 0 : 0x200 | (mantissa >>> 13));
  const half = exponent - 112;
  // The carry of a rounding up runs on into the exponent, up to infinity, as it should.
  if (half >= 31) return sign | 0x7c00;
  if (half > 0) return sign | (((half << 10) | (mantissa >>> 13)) + roundUp(mantissa, 13));
  if (half < -10) return sign;
  const shift = 14 - half;
  const full = mantissa | 0x800000;
  return sign | ((full >>> shift) + roundUp(full, shift));
}

/** Whether dropping the lowest bits rounds up, ties to even: 0 or 1. */
function roundUp(mantissa: number, dropped: number): number {
  const rest = mantissa & ((1 << dropped) - 1);
  const tie = 1 << (dropped - 1);
  return rest > tie || (rest === tie && (mantissa >>> dropped) & 1) ? 1 : 0;
}

function floatOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}
