// The same sources, packages and keys give the same image and bundle, byte for byte: built twice from nothing, in two places,
// the second time from the list of packages that the first one left.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { makeKey } from './bundles.mjs';

const root = new URL('../..', import.meta.url).pathname;
const board = process.env.PIXPOP_REPRODUCE ?? 'qemu-x86_64';
const version = '0.0.7';

describe('two builds', () => {
  let folder, first, second;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-reproducible-'));
    writeFileSync(join(folder, 'release.key'), makeKey().privatePem);
    copySources(join(folder, 'one'));
    copySources(join(folder, 'another-place'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  // What is fetched and checked by its sums is shared; everything that is made is not.
  function copySources(to) {
    for (const name of ['CMakeLists.txt', 'CMakePresets.json', 'board', 'firmware', 'shaders', 'tools']) cpSync(join(root, name), join(to, name), { recursive: true });
    cpSync(join(root, 'web'), join(to, 'web'), { recursive: true, filter: (path) => !path.endsWith('/node_modules') });
    symlinkSync(join(root, 'web/node_modules'), join(to, 'web/node_modules'));
    cpSync(join(root, 'build/deps'), join(to, 'build/deps'), { recursive: true, filter: (path) => !/\/build-[^/]+$/.test(path) });
  }

  function build(source, out, words, environment) {
    const debs = join(root, 'build/board/cache/debs');
    mkdirSync(join(out, 'cache'), { recursive: true });
    if (existsSync(debs)) cpSync(debs, join(out, 'cache/debs'), { recursive: true });
    execFileSync(join(source, 'board/build'), [board, '--version', version, '--key', join(folder, 'release.key'), ...words], {
      env: {
        ...process.env, PIXPOP_BOARD_OUT: out, PIXPOP_COMPRESSION: '3', SOURCE_DATE_EPOCH: '1790000000', CCACHE_DISABLE: '1', ...environment,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const file = (end) => join(out, board, `pixpop-${board}-${version}${end}`);
    const sum = (end) => createHash('sha256').update(readFileSync(file(end))).digest('hex');
    return { packages: file('.packages.txt'), sums: Object.fromEntries(['.img.zst', '.pixpop', '.packages.txt', '.sha256'].map((end) => [end, sum(end)])) };
  }

  it('builds_with_the_newest_packages', () => {
    first = build(join(folder, 'one'), join(folder, 'out-one'), [], { TZ: 'UTC' });
  });

  it('builds_elsewhere_from_the_list_of_packages', () => {
    second = build(join(folder, 'another-place'), join(folder, 'another-place', 'made'), ['--packages', first.packages], { TZ: 'Pacific/Auckland', LANG: 'C.UTF-8' });
  });

  it('gives_the_same_bytes', () => {
    assert.deepEqual(second.sums, first.sums);
  });

  it('refuses_a_package_that_is_not_what_the_list_says', () => {
    const lines = readFileSync(first.packages, 'utf8').replace(/(SHA256:)([0-9a-f])/, (_, name, digit) => name + (digit === '0' ? '1' : '0'));
    const list = join(folder, 'wrong.packages.txt');
    writeFileSync(list, lines);
    assert.throws(() => build(join(folder, 'one'), join(folder, 'out-one'), ['--packages', list], {}), { status: 1 });
  });
});
