// AMD's Vulkan driver in the image for real PCs, without AMD's hardware: the driver's own null device compiles every kernel
// for the chips whose firmware the image has, with nothing around it but the files of the image. Wants root (chroot).
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build } from '../system/box.mjs';
import { boardOut, buildImage } from './booted.mjs';
import { readPartition, unpackImage } from './disk.mjs';

process.env.PIXPOP_BOARD_PROGRAMS ??= build;
const board = 'generic-x86_64', version = '0.0.1';
const driver = '/usr/lib/x86_64-linux-gnu/libvulkan_radeon.so';
const emptyCache = 32;  // a pipeline cache's header alone
const kernels = 12, leastBytes = 256;

describe(`AMD's driver in ${board}`, () => {
  let folder, root;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-graphics-'));
    root = join(folder, 'root');
    buildImage(board, version);
    const disk = unpackImage(board, join(folder, 'disk.img'), { version });
    writeFileSync(join(folder, 'root.img'), readPartition(disk, 'rootA', { bytes: statSync(join(boardOut, board, `work-${version}`, 'root.img')).size }));
    execFileSync('unsquashfs', ['-q', '-n', '-d', root, join(folder, 'root.img')], { stdio: 'pipe' });
    cpSync(join(build, 'tests/resample_kernels'), join(root, 'tmp/resample_kernels'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  // In the image's root: its loader, its libraries, its drivers, no device. Without a folder for the shaders of the driver's
  // own, which it would compile ahead at the next start, for drawing: some of its null devices have nothing to draw with.
  const compile = (environment) =>
    spawnSync('/usr/sbin/chroot', [root, '/tmp/resample_kernels'], { env: { XDG_CACHE_HOME: '/none', ...environment }, encoding: 'utf8' });

  it('finds_no_device_where_there_is_none', () => {
    const { status, stderr } = compile({});
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^vkEnumeratePhysicalDevices|no device|no usable ICD/);
  });

  for (const family of [
    'CARRIZO', 'STONEY', 'RAVEN', 'RAVEN2', 'RENOIR', 'VANGOGH', 'REMBRANDT', 'GFX1036',
    'POLARIS10', 'POLARIS11', 'POLARIS12', 'VEGAM', 'NAVI14', 'NAVI23', 'NAVI24',
  ]) {
    it(`compiles_every_kernel_for_${family.toLowerCase()}`, () => {
      const { status, stdout, stderr } = compile({ RADV_FORCE_FAMILY: family });
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`^device .*\\(RADV ${family}\\) \\(radv Mesa `));
      const [empty, texels, storage] = [...stdout.matchAll(/^cache (\d+)$/gm)].map(([, bytes]) => Number(bytes));
      assert.equal(empty, emptyCache);
      assert.ok(texels > empty + kernels * leastBytes && storage > texels + kernels * leastBytes, stdout);
    });
  }

  it('is_hardened_and_knows_no_path_of_the_machine_that_compiled_it', () => {
    execFileSync(new URL('../../tools/check-hardening', import.meta.url).pathname, [join(root, driver)]);
    const text = readFileSync(join(root, driver), 'latin1');
    assert.doesNotMatch(text, /\/build\/(deps|board)\/|\/build-[A-Za-z0-9]{6}\b|\.pyenv/);
    assert.ok(!text.includes(new URL('../..', import.meta.url).pathname));
    const needs = execFileSync('readelf', ['-dW', join(root, driver)], { encoding: 'utf8' });
    assert.doesNotMatch(needs, /libLLVM|libelf|libxcb|libX11|libwayland/);
  });
});
