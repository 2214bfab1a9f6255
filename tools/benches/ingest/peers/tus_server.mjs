// tus_server FOLDER: @tus/server over its file store, with one addition: every chunk is on the disk before it is acknowledged, as
// pixpop promises it. Prints "port NUMBER".
import { open } from 'node:fs/promises';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';

class DurableFileStore extends FileStore {
  async write(readable, id, offset) {
    const end = await super.write(readable, id, offset);
    const file = await open(this.resolve(id), 'r+');
    await file.datasync();
    await file.close();
    return end;
  }
}

const [directory] = process.argv.slice(2);
const server = new Server({ path: '/files', relativeLocation: true, datastore: new DurableFileStore({ directory }) });
const listening = server.listen(0, '127.0.0.1');
listening.on('listening', () => console.log(`port ${listening.address().port}`));
process.on('SIGTERM', () => process.exit(0));
