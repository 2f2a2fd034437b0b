declare module 'parquetjs-lite' {
  export class ParquetSchema {
    constructor(fields: object);
  }
  export class ParquetWriter {
    static openFile(schema: ParquetSchema, path: string): Promise<ParquetWriter>;
    appendRow(row: object): Promise<void>;
    close(): Promise<void>;
  }
}
