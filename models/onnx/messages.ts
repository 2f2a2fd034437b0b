import protobuf from 'protobufjs';

/** `TensorProto.DataType` (onnx.proto). */
export const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;

/** An element type of a traced tensor. */
export type ElementType = keyof typeof dataTypes;

/** `AttributeProto.AttributeType` (onnx.proto). */
export const attributeTypes = { int: 2, string: 3, ints: 7 } as const;

const field = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id });

/** The messages of onnx.proto that a graph needs, with their field numbers. */
const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        ir_version: field('int64', 1),
        producer_name: field('string', 2),
        graph: field('GraphProto', 7),
        opset_import: repeated('OperatorSetIdProto', 8),
      },
    },
    OperatorSetIdProto: { fields: { domain: field('string', 1), version: field('int64', 2) } },
    GraphProto: {
      fields: {
        node: repeated('NodeProto', 1),
        name: field('string', 2),
        initializer: repeated('TensorProto', 5),
        input: repeated('ValueInfoProto', 11),
        output: repeated('ValueInfoProto', 12),
      },
    },
    NodeProto: {
      fields: {
        input: repeated('string', 1),
        output: repeated('string', 2),
        name: field('string', 3),
        op_type: field('string', 4),
        attribute: repeated('AttributeProto', 5),
      },
    },
    AttributeProto: {
      fields: {
        name: field('string', 1),
        i: field('int64', 3),
        s: field('bytes', 4),
        ints: repeated('int64', 8),
        type: field('int32', 20),
      },
    },
    TensorProto: {
      fields: {
        dims: repeated('int64', 1),
        data_type: field('int32', 2),
        name: field('string', 8),
        raw_data: field('bytes', 9),
      },
    },
    ValueInfoProto: { fields: { name: field('string', 1), type: field('TypeProto', 2) } },
    TypeProto: { fields: { tensor_type: field('TensorTypeProto', 1) } },
    TensorTypeProto: { fields: { elem_type: field('int32', 1), shape: field('TensorShapeProto', 2) } },
    TensorShapeProto: { fields: { dim: repeated('DimensionProto', 1) } },
    DimensionProto: { fields: { dim_value: field('int64', 1), dim_param: field('string', 2) } },
  },
});

const modelType = root.lookupType('ModelProto');

/** Encodes a plain object of `ModelProto`'s fields. Throws when a field has the wrong type. */
export function encodeModel(model: { readonly [field: string]: unknown }): Uint8Array {
  const problem = modelType.verify(model);
  if (problem !== null) throw new Error(`the ONNX model can't be encoded: ${problem}`);
  return modelType.encode(modelType.create(model)).finish();
}
