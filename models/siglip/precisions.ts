/** The files of one precision, as exporters name them. */
export const precisionSuffixes = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  uint8: '_uint8',
  quantized: '_quantized',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
} as const;

/** Which files of a model are run. */
export type Precision = keyof typeof precisionSuffixes;

/** Every precision. */
export const precisions = Object.keys(precisionSuffixes) as [Precision, ...Precision[]];
