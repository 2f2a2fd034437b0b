import {
  DataType,
  type Field,
  type FixedSizeList,
  type List,
  Precision,
  type Schema,
  type Struct,
} from 'apache-arrow';
import type { SchemaElement, SchemaTree } from 'hyparquet';

/**
 * The parquet schema of an Arrow schema: every column optional, lists in the three-level form, fixed-size lists
 * as lists, half floats as FLOAT16. Throws on a type that this project's rows don't have, naming the column.
 */
export function parquetSchemaOf(schema: Schema): SchemaElement[] {
  return [
    { name: 'root', num_children: schema.fields.length },
    ...schema.fields.flatMap((field) => elementsOf(field.name, field.type)),
  ];
}

function elementsOf(name: string, type: DataType): SchemaElement[] {
  const optional = { name, repetition_type: 'OPTIONAL' } as const;
  if (DataType.isUtf8(type)) {
    return [{ ...optional, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } }];
  }
  if (DataType.isBinary(type)) return [{ ...optional, type: 'BYTE_ARRAY' }];
  if (DataType.isBool(type)) return [{ ...optional, type: 'BOOLEAN' }];
  if (DataType.isInt(type)) return [{ ...optional, type: type.bitWidth === 64 ? 'INT64' : 'INT32' }];
  if (DataType.isFloat(type)) return [{ ...optional, ...floatElement(type.precision) }];
  if (DataType.isList(type) || DataType.isFixedSizeList(type)) {
    const item = (type as List | FixedSizeList).children[0] as Field;
    return [
      { ...optional, num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      ...elementsOf('element', item.type),
    ];
  }
  if (DataType.isStruct(type)) {
    const { children } = type as Struct;
    return [
      { ...optional, num_children: children.length },
      ...children.flatMap((child) => elementsOf(child.name, child.type)),
    ];
  }
  throw new Error(`column ${name}: no parquet type for Arrow's ${type}`);
}

function floatElement(precision: Precision): Pick<SchemaElement, 'type' | 'type_length' | 'logical_type'> {
  if (precision === Precision.HALF) {
    return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2, logical_type: { type: 'FLOAT16' } };
  }
  return { type: precision === Precision.SINGLE ? 'FLOAT' : 'DOUBLE' };
}

/** A column's type as people read it: `string`, `list<string>`, `struct{bytes: binary, path: string}`. */
export function describeType(tree: SchemaTree): string {
  const { element, children } = tree;
  const [child] = children;
  if (element.repetition_type === 'REPEATED') return `list<${describeOnce(tree)}>`;
  const isList = element.converted_type === 'LIST' || element.logical_type?.type === 'LIST';
  if (!isList || child === undefined || children.length > 1) return describeOnce(tree);
  // Three levels, or the two of older writers.
  const [item] = child.children;
  return `list<${item !== undefined && child.children.length === 1 ? describeType(item) : describeOnce(child)}>`;
}

function describeOnce({ element, children }: SchemaTree): string {
  if (children.length > 0) {
    const fields = children.map((field) => `${field.element.name}: ${describeType(field)}`);
    return `struct{${fields.join(', ')}}`;
  }
  const said = element.logical_type?.type ?? element.converted_type;
  if (element.type === 'BYTE_ARRAY') {
    return said !== undefined && ['STRING', 'UTF8', 'ENUM', 'JSON'].includes(said) ? 'string' : 'binary';
  }
  const physical = element.type?.toLowerCase() ?? 'nothing';
  return said === undefined || said === 'INTEGER' || /^U?INT_/.test(said)
    ? physical
    : `${physical} (${said})`;
}
