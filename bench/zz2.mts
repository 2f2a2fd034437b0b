import { DuckDBInstance } from '@duckdb/node-api';

async function copied(shard: string, to: string) {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(
    `COPY (SELECT * FROM read_parquet('${shard}') WHERE length(TEXT) > 5 AND least(WIDTH, HEIGHT) >= 200) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
  );
  connection.closeSync();
  instance.closeSync();
}
for (let i = 0; i < 4; i++) {
  const b = process.cpuUsage(),
    t = performance.now();
  await copied('/tmp/C/meta200k.parquet', '/tmp/C/copy.parquet');
  const c = process.cpuUsage(b);
  console.log(
    'copy',
    ((c.user + c.system) / 1e6).toFixed(3),
    'cpu',
    ((performance.now() - t) / 1000).toFixed(3),
  );
}
