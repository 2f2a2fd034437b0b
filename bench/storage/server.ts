import { startFauxqs } from 'fauxqs';

// An object store in a process of its own, as stores are: it says where it listens, and ends with its parent.
process.on('disconnect', () => process.exit());
const server = await startFauxqs({ port: 0, logger: false, host: '127.0.0.1' });
server.createBucket('bench');
process.send?.(`http://127.0.0.1:${server.port}`);
