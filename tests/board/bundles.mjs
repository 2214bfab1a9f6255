// Update bundles written from their description (firmware/update/include/update/bundle.h), right ones and wrong ones.
import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';

export function makeKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }), privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const digest = (bytes) => createHash('sha256').update(bytes).digest('base64url');

export function makeBundle({ board = 'test-board', version = '1.0.0', floor = '-', created = 1790000000, boot, root, keys }) {
  const manifest = Buffer.from(`board ${board}\nversion ${version}\nfloor ${floor}\ncreated ${created}\nboot ${boot.length} ${digest(boot)}\nroot ${root.length} ${digest(root)}\n`);
  const head = Buffer.concat([Buffer.from('pxupdate'), u32(1), u32(manifest.length), u32(keys.length), manifest]);
  const signatures = keys.map(({ privateKey }) => {
    const id = createHash('sha256').update(createPublicKey(privateKey).export({ type: 'spki', format: 'der' })).digest().subarray(0, 8);
    const signature = sign('sha256', head, privateKey);
    return Buffer.concat([id, Buffer.from([0, signature.length]), signature]);
  });
  return Buffer.concat([head, ...signatures, boot, root]);
}
