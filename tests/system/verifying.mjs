// What the tests of `pixpop verify` share.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { bin, suppressions } from './box.mjs';

// Its exit statuses.
export const proven = 0, unchecked = 1, wrong = 2;

export function flipped(bytes, at = bytes.length >> 1) {
  const copy = Buffer.from(bytes);
  copy[at] ^= 4;
  return copy;
}

// Resolves with {status, text}: both outputs, one behind the other. Nothing of the caller's environment but its path gets through.
export const runPixpop = (args, env = {}) => new Promise((done) => {
  execFile(join(bin, 'pixpop'), args, { encoding: 'utf8', env: { PATH: process.env.PATH, ...suppressions, ...env } },
    (error, stdout, stderr) => done({
      status: /Sanitizer|runtime error:/.test(stderr) ? 'a sanitizer found something' : error ? error.code : 0, text: stdout + stderr,
    }));
});
