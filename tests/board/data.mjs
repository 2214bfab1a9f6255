// The data partition's file system, looked at from outside (ext4's superblock lies at 1024, its fields are those of the
// kernel's documentation: Documentation/filesystems/ext4/super.rst).
import { partitions, readPartition } from './disk.mjs';

const superblock = (disk) => readPartition(disk, 'data', { at: 1024, bytes: 1024 });

// It was unmounted: nothing to mend, no journal to replay.
export function isClean(disk) {
  const head = superblock(disk);
  if (head.readUInt16LE(0x38) !== 0xef53) throw new Error('the data partition has no ext4');
  const needsRecovery = 4;
  return (head.readUInt16LE(0x3a) & 3) === 1 && (head.readUInt32LE(0x60) & needsRecovery) === 0;
}

// {disk, partition, fileSystem}: where each of them ends, or how long it is.
export function dataBytes(disk) {
  const head = superblock(disk);
  const { data } = partitions(disk);
  return { end: data.at + data.bytes, partition: data.bytes, fileSystem: head.readUInt32LE(4) * (1024 << head.readUInt32LE(0x18)) };
}
