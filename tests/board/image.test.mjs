// What a disk image holds, taken from the image itself, without a start: its partitions, the slot's size, each file of root
// and initramfs: whose it is, which package it came from, which drivers, and no key, account or tool that does not belong there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { build } from '../system/box.mjs';
import { boardOut, buildImage, developmentKey } from './booted.mjs';
import { builtFile, partitions, readFatFile, readPartition, unpackImage } from './disk.mjs';

const version = '0.0.1';
const mib = 2 ** 20;
const everyBoard = ['squashfs', 'dm_verity', 'ext4', 'af_packet', 'virtio_pci', 'virtio_blk', 'virtio_scsi', 'virtio_net', 'softdog'];
const boards = {
  'qemu-x86_64': {
    triplet: 'x86_64-linux-gnu', words: ['--shell'], vulkan: ['lvp'], megabytes: 120, initramfs: everyBoard, root: ['virtio_balloon', 'button'],
  },
  'qemu-arm64': { triplet: 'aarch64-linux-gnu', words: [], vulkan: ['lvp'], megabytes: 120, initramfs: everyBoard, root: ['virtio_balloon', 'button'] },
  'generic-x86_64': {
    triplet: 'x86_64-linux-gnu', words: [], vulkan: ['intel', 'intel_hasvk', 'radeon'], megabytes: 70,
    initramfs: [
      ...everyBoard.filter((name) => name !== 'softdog'),
      'nvme', 'vmd', 'ahci', 'ata_piix', 'sd_mod', 'usb_storage', 'uas', 'xhci_pci', 'ehci_pci', 'mmc_block', 'sdhci_pci', 'sdhci_acpi', 'vmw_pvscsi',
      'e1000', 'e1000e', 'igb', 'igc', 'ixgbe', 'r8169', 'realtek', 'r8152', 'tg3', 'atlantic', 'alx', 'sky2', 'asix', 'ax88179_178a', 'vmxnet3',
      'iTCO_wdt', 'i2c_i801', 'lpc_ich', 'sp5100_tco', 'wdat_wdt', 'i6300esb',
    ],
    root: ['i915', 'amdgpu', 'softdog', 'button'],
    // What is found after its controller, when nobody asks for drivers any more, wants them loaded by then.
    isLoaded: ['sd_mod', 'usb_storage', 'uas', 'mmc_block', 'r8152', 'asix', 'ax88179_178a'],
    // Firmware, by driver: of what it asks for, how many files begin so at the least; a chip starts with all of its own alone.
    firmware: {
      initramfs: { r8169: { rtl_nic: 20 }, r8152: { rtl_nic: 7 }, tg3: { tigon: 4 } },
      root: {
        r8169: { rtl_nic: 20 }, r8152: { rtl_nic: 7 }, tg3: { tigon: 4 },
        i915: { 'i915/adlp_guc_70.bin': 1, 'i915/tgl_guc_70.bin': 1, 'i915/adlp_dmc': 1, 'i915/adls_dmc': 1, 'i915/tgl_dmc': 1, 'i915/skl_dmc': 1 },
        amdgpu: {
          ...Object.fromEntries([
            'carrizo', 'stoney', 'raven', 'raven2', 'picasso', 'renoir', 'green_sardine', 'vangogh', 'yellow_carp', 'gc_10_3_6', 'gc_10_3_7',
            'polaris10', 'polaris11', 'polaris12', 'vegam', 'navi14', 'beige_goby', 'dimgrey_cavefish',
          ].map((chip) => [`amdgpu/${chip}_`, 6])),
          'amdgpu/psp_13_0_5_': 2, 'amdgpu/psp_13_0_8_': 2, 'amdgpu/sdma_5_2_6': 1, 'amdgpu/sdma_5_2_7': 1,
          'amdgpu/dcn_3_1_5_': 1, 'amdgpu/dcn_3_1_6_': 1, 'amdgpu/vcn_3_1_2': 1,
        },
      },
    },
    // Raphael and Mendocino, which amdgpu knows by their parts and not by their numbers.
    amdByParts: ['164E', '1506'],
  },
};
const ours = new RegExp(`^(${[
  '/init', '/usr/bin/(pixpop|pixpop-rescue|verity-open|watchdog-arm|format-data)', '/usr/lib/pixpop/.*', '/etc/pixpop/.*', '/etc/(sv|runit)/.*', '/etc/avahi/.*',
  '/etc/(acpi/.*|chrony\\.conf|group|hosts|inittab|modules|coldplug|nsswitch\\.conf|passwd|services|sysctl\\.d/pixpop\\.conf)',
  '/etc/ssl/certs/ca-certificates\\.crt',      // of the package's single certificates
  '/usr/lib/modules/[^/]+/modules\\.[a-z.]+',  // made by depmod
].join('|')})$`);

function describeBoard(board) {
  const { triplet, words, vulkan, megabytes, initramfs: wantedEarly, root: wantedLate, isLoaded = [], firmware, amdByParts } = boards[board];
  const hasBios = triplet.startsWith('x86_64');
  let folder, disk, work, files;  // files: {part, path, mode, owner, file}
  const regular = () => files.filter(({ mode }) => mode.startsWith('-'));
  const text = (part, path) => readFileSync(join(folder, part, path), 'utf8');
  const has = (part, path) => files.some((one) => one.part === part && one.path === path);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pixpop-image-'));
    const programs = process.env.PIXPOP_BOARD_PROGRAMS;
    if (hasBios) process.env.PIXPOP_BOARD_PROGRAMS ??= build;
    else delete process.env.PIXPOP_BOARD_PROGRAMS;  // those are this machine's
    try {
      buildImage(board, version, ...words);
    } finally {
      if (programs === undefined) delete process.env.PIXPOP_BOARD_PROGRAMS;
      else process.env.PIXPOP_BOARD_PROGRAMS = programs;
    }
    disk = unpackImage(board, join(folder, 'disk.img'), { version });
    work = join(boardOut, board, `work-${version}`);
    writeFileSync(join(folder, 'root.img'), readPartition(disk, 'rootA', { bytes: statSync(join(work, 'root.img')).size }));
    execFileSync('unsquashfs', ['-q', '-n', '-d', join(folder, 'root'), join(folder, 'root.img')], { stdio: 'pipe' });
    const archive = execFileSync('zstd', ['-dc'], { input: readFatFile(disk, 'bootA', 'initrd.img'), maxBuffer: 2 ** 30 });
    mkdirSync(join(folder, 'initramfs'));
    execFileSync('cpio', ['-i', '--quiet', '--no-absolute-filenames'], { cwd: join(folder, 'initramfs'), input: archive, stdio: 'pipe' });
    const listed = execFileSync('unsquashfs', ['-lln', '-d', '', join(folder, 'root.img')], { encoding: 'utf8', maxBuffer: 1 << 26 }).split('\n');
    const listedEarly = execFileSync('cpio', ['-tvn', '--quiet'], { input: archive, env: { ...process.env, LC_ALL: 'C' }, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\n');
    files = [
      ...listed.map((line) => line.match(/^(\S{10}) (\d+)\/(\d+) .*? \d\d:\d\d (\/.*?)(?: -> .*)?$/)).filter(Boolean)
        .map(([, mode, uid, gid, path]) => ({ part: 'root', path, mode, owner: `${uid}:${gid}` })),
      ...listedEarly.map((line) => line.match(/^(\S{10}) +\d+ (\d+) +(\d+) .*? [A-Z][a-z]{2} [ \d]\d +[\d:]{4,5} (\S.*?)(?: -> .*)?$/)).filter(Boolean)
        .map(([, mode, uid, gid, path]) => ({ part: 'initramfs', path: `/${path}`, mode, owner: `${uid}:${gid}` })),
    ].map((one) => ({ ...one, file: join(folder, one.part, one.path) }));
    assert.ok(files.filter(({ part }) => part === 'root').length > 500 && files.filter(({ part }) => part === 'initramfs').length > 300, `${files.length} files`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has_the_partitions_of_the_table_and_a_blank_second_slot', () => {
    const found = Object.fromEntries(Object.entries(partitions(disk)).map(([name, { bytes }]) => [name, bytes / mib]));
    const { data, ...rest } = found;
    assert.deepEqual(rest, { ...(hasBios ? { biosboot: 1 } : {}), esp: 64, bootenv: 1, bootA: 64, bootB: 64, rootA: 192, rootB: 192 });
    assert.ok(data >= 15, `${data} MiB for data`);
    for (const name of ['bootB', 'rootB', 'data']) assert.ok(readPartition(disk, name).every((byte) => byte === 0), `${name} is not blank`);
    const loader = readFatFile(disk, 'esp', hasBios ? 'EFI/BOOT/BOOTX64.EFI' : 'EFI/BOOT/BOOTAA64.EFI');
    assert.equal(loader.toString('latin1', 0, 2), 'MZ');
  });

  it(`fits_with_boot_and_root_into_${megabytes}_MB`, (test) => {
    const boot = statSync(join(work, 'boot.img')).size;
    let bytes = boot + statSync(join(work, 'root.img')).size;
    const about = execFileSync('unsquashfs', ['-s', join(folder, 'root.img')], { encoding: 'utf8' });
    // mksquashfs keeps the level only where it is not its own default, 15: that of a release.
    let level = Number(about.match(/compression-level (\d+)/)?.[1] ?? 15);
    if (bytes > megabytes * 1e6 && level < 15) {  // what a release would have
      const again = join(folder, 'again.squashfs');
      execFileSync('mksquashfs', [join(folder, 'root'), again, '-comp', 'zstd', '-b', '256K', '-noappend', '-quiet', '-no-progress', '-no-xattrs'], { stdio: 'pipe' });
      bytes = boot + Math.ceil(statSync(again).size * 128 / 127);  // with its hash tree: 32 of every 4096 bytes, and theirs
      level = 15;
    }
    test.diagnostic(`${(bytes / 1e6).toFixed(1)} MB at compression level ${level}${level < 15 ? '; a release, at 15, is smaller' : ''}`);
    assert.ok(bytes <= megabytes * 1e6, `${bytes} bytes at level ${level}`);
  });

  it('has_the_vulkan_drivers_of_this_board_and_no_other', () => {
    const paths = regular().map(({ path }) => path);
    const drivers = (pattern) => paths.map((path) => path.match(pattern)?.[1]).filter(Boolean).sort();
    assert.deepEqual(drivers(/\/libvulkan_(\w+)\.so$/), vulkan);
    assert.deepEqual(drivers(/\/vulkan\/icd\.d\/(\w+)_icd\.\w+\.json$/), vulkan);
    assert.equal(paths.some((path) => path.includes('/libLLVM')), vulkan.includes('lvp'));
  });

  it('has_the_kernel_modules_of_the_hardware_that_it_promises', () => {
    for (const [part, wanted] of [['initramfs', wantedEarly], ['root', [...wantedEarly, ...wantedLate]]]) {
      const release = readdirSync(join(folder, part, 'usr/lib/modules'))[0];
      const builtin = text(part, `usr/lib/modules/${release}/modules.builtin`);
      const plain = (name) => basename(name, '.ko').replaceAll('-', '_');
      const there = new Set([...files.filter((one) => one.part === part && one.path.endsWith('.ko')).map(({ path }) => plain(path)), ...builtin.split('\n').map(plain)]);
      assert.deepEqual(wanted.filter((name) => !there.has(name)), [], part);
      const modules = regular().filter((one) => one.part === part && one.path.endsWith('.ko'));
      const needs = execFileSync('/usr/sbin/modinfo', ['-F', 'depends', ...modules.map(({ file }) => file)], { encoding: 'utf8' });
      assert.deepEqual([...new Set(needs.split(/[\n,]/))].filter((name) => name !== '' && !there.has(plain(name))), [], `needed in ${part}`);
    }
  });

  it('loads_drivers_of_what_appears_late_before_it_is_there', () => {
    const loaded = text('initramfs', 'etc/modules').split(/\s+/);
    assert.deepEqual(isLoaded.filter((name) => !loaded.includes(name)), []);
  });

  const moduleFacts = (part, name, field) => {
    const { file } = files.find((one) => one.part === part && basename(one.path) === `${name}.ko`);
    return execFileSync('/usr/sbin/modinfo', ['-F', field, file], { encoding: 'utf8' }).trim().split('\n');
  };

  if (firmware) {
    it('has_all_files_of_the_firmware_that_its_chips_want_and_no_others', () => {
      for (const part of ['initramfs', 'root']) {
        const there = regular().filter((one) => one.part === part && one.path.startsWith('/usr/lib/firmware/')).map(({ path }) => path.slice('/usr/lib/firmware/'.length));
        const wanted = new Set();
        for (const [driver, beginnings] of Object.entries(firmware[part])) {
          const asked = [...new Set(moduleFacts(part, driver, 'firmware'))];
          for (const [beginning, least] of Object.entries(beginnings)) {
            const names = asked.filter((name) => name.startsWith(beginning));
            assert.ok(names.length >= least, `${driver} asks for ${names.length} files of ${beginning}`);
            assert.deepEqual(names.filter((name) => !there.includes(name)), [], `${part}: missing for ${driver}`);
            for (const name of names) wanted.add(name);
          }
        }
        assert.deepEqual(there.filter((name) => !wanted.has(name) && !/^i915\/\w+_dmc_/.test(name)), [], part);
      }
    });

    it('has_the_licences_of_the_firmware', () => {
      const packages = text('root', 'etc/pixpop/packages').split('\n').map((name) => name.match(/^firmware-[^_]+/)?.[0]).filter(Boolean);
      assert.deepEqual(packages, ['firmware-amd-graphics', 'firmware-misc-nonfree', 'firmware-realtek']);
      for (const name of [...packages, 'mesa-vulkan-drivers']) assert.ok(text('root', `usr/share/doc/${name}/copyright`).length > 1000, name);
    });

    // The driver takes the screen before it asks for firmware: on a chip that has none here the claim code would be gone.
    it('loads_amdgpu_for_chips_whose_firmware_it_has_and_for_no_other', () => {
      const release = readdirSync(join(folder, 'root/usr/lib/modules'))[0];
      const chip = /^pci:v00001002d0000([0-9A-F]{4})sv\*sd\*bc\*sc\*i\*$/;
      const aliases = [...text('root', `usr/lib/modules/${release}/modules.alias`).matchAll(/^alias (\S+) amdgpu$/gm)].map(([, alias]) => alias);
      assert.ok(aliases.length > 20, `${aliases.length} chips`);
      assert.deepEqual(aliases.filter((alias) => !chip.test(alias)), []);
      const known = new Set(moduleFacts('root', 'amdgpu', 'alias'));
      assert.deepEqual(aliases.filter((alias) => !known.has(alias)).map((alias) => alias.match(chip)[1]).sort(), [...amdByParts].sort());
      for (const other of ['15BF', '7300', '66AF']) assert.ok(!aliases.some((alias) => alias.includes(`d0000${other}`)), other);  // Phoenix, Fiji, Vega 20
    });
  }

  it('gives_every_file_to_root_and_no_program_more_rights_than_its_caller', () => {
    for (const { part, path, mode, owner } of files) {
      const what = `${part} ${path} ${mode} ${owner}`;
      assert.equal(owner, '0:0', what);
      assert.match(mode, /^[-dl]/, what);           // no devices, pipes, sockets
      assert.doesNotMatch(mode, /[sStT]/, what);
      if (!mode.startsWith('l')) assert.doesNotMatch(mode, /^.....w|^........w/, what);
    }
    assert.match(execFileSync('unsquashfs', ['-s', join(folder, 'root.img')], { encoding: 'utf8' }), /Xattrs are not stored/);  // no file capabilities
  });

  it('has_no_private_key_and_trusts_the_one_that_signed_it', () => {
    const scalar = Buffer.from(developmentKey().privateKey.export({ format: 'jwk' }).d, 'base64url');
    const keysIn = (file) => readFileSync(file, 'latin1').match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]{64,}-----END/g) ?? [];
    // Debian's libraries carry the keys of their own self-tests, for everybody to read; what is linked with mbedTLS has its.
    const stage = join(boardOut, board, 'stage'), libraries = join(stage, 'usr/lib', triplet);
    const known = new Set(readdirSync(libraries).filter((name) => name.startsWith('libmbedx509.so.')).flatMap((name) => keysIn(join(libraries, name))));
    const isDebians = ({ path, file }) => existsSync(join(stage, path)) && readFileSync(join(stage, path)).equals(readFileSync(file));
    for (const one of regular()) {
      assert.ok(!readFileSync(one.file).includes(scalar), `${one.part} ${one.path} holds the key that signs`);
      const keys = keysIn(one.file).filter((key) => !known.has(key));
      assert.ok(keys.length === 0 || isDebians(one), `${one.part} ${one.path}: ${keys}`);
    }
    const trusted = createPublicKey(developmentKey().privateKey).export({ type: 'spki', format: 'pem' });
    for (const part of ['root', 'initramfs']) {
      assert.deepEqual(readdirSync(join(folder, part, 'etc/pixpop/update-keys')).map((name) => text(part, `etc/pixpop/update-keys/${name}`)), [trusted], part);
    }
  });

  it('has_no_account_that_opens_and_no_shell_unless_it_was_asked_for', () => {
    assert.ok(!has('root', '/etc/shadow'));
    for (const line of text('root', 'etc/passwd').trim().split('\n')) assert.match(line, /^[a-z_-]+:x:.*:\/usr\/sbin\/nologin$/);
    assert.equal(/\/bin\/sh/.test(text('root', 'etc/inittab')), words.includes('--shell'));
    assert.deepEqual(regular().map(({ path }) => path).filter((path) => /\/(sshd|dropbear|telnetd|apt|apt-get|dpkg|gcc|perl|python3?)[^/]*$/.test(path)), []);
  });

  it('has_nothing_that_only_compilers_and_readers_want', () => {
    const leftover = /\.(a|la|o|h|hpp|pc|cmake|c|py|pyc|debug|map|deb)$|\/usr\/(include|src|share\/(doc(?!\/[^/]+\/copyright$)|man|locale|info|bash-completion)|lib\/(pkgconfig|cmake|debug))\//;
    assert.deepEqual(regular().map(({ part, path }) => `${part} ${path}`).filter((path) => leftover.test(path)), []);
    for (const { path, file } of regular().filter(({ path: one }) => /^\/usr\/(lib\/pixpop|bin)\/[\w-]+$/.test(one))) {
      if (readFileSync(file).readUInt32BE(0) !== 0x7f454c46) continue;
      const sections = execFileSync('readelf', ['-SW', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      assert.doesNotMatch(sections, / \.(symtab|debug_info) /, path);
    }
  });

  it('names_every_package_that_it_was_made_of', () => {
    const named = text('root', 'etc/pixpop/packages').trim().split('\n');
    assert.deepEqual(named, [...new Set(named)].sort());
    const sources = readFileSync(new URL('../../tools/sources.txt', import.meta.url), 'utf8'), mesa = sources.match(/^mesa (\S+)/m)[1];
    const compiled = vulkan.includes('radeon') ? [mesa] : [];
    assert.deepEqual(named.filter((name) => name.endsWith('_source')), compiled.map((one) => `mesa_${one}_source`));
    const listings = join(boardOut, board, 'stage/.packages');
    const plain = (path) => path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/').replace(/\/$/, '');
    const from = new Map();  // path -> packages
    for (const name of readdirSync(listings)) {
      for (const path of readFileSync(join(listings, name), 'utf8').split('\n').map(plain)) from.set(path, [...(from.get(path) ?? []), name]);
    }
    const strangers = regular().filter(({ path }) => !ours.test(path) && !(from.get(path) ?? []).some((name) => named.includes(name)));
    assert.deepEqual(strangers.map(({ part, path }) => `${part} ${path} (${from.get(path) ?? 'of no package'})`), []);
    const wanted = [/^linux-image-\d/, /^ca-certificates_/, /^mesa-vulkan-drivers_/, ...(hasBios ? [/^grub-pc-bin_/, /^grub-efi-amd64-bin_/] : [/^grub-efi-arm64-bin_/])];
    for (const pattern of wanted) assert.ok(named.some((name) => pattern.test(name)), `${pattern} is not named`);
    const list = readFileSync(builtFile(board, '.packages.txt', version), 'utf8');
    assert.deepEqual([...list.matchAll(/^source (.*)$/gm)].map(([, source]) => source), compiled.map((one) => `mesa ${one} tools/sources.txt`));
    assert.deepEqual(named.filter((name) => !name.endsWith('_source') && !list.includes(`/${decodeURIComponent(name)}.deb`) && !list.includes(` ${name}.deb `)), []);
  });

  it('comes_with_the_sums_of_image_and_bundle', () => {
    const names = [`pixpop-${board}-${version}.img.zst`, `pixpop-${board}-${version}.pixpop`];
    const lines = names.map((name) => `${createHash('sha256').update(readFileSync(join(boardOut, board, name))).digest('hex')}  ${name}\n`);
    assert.equal(readFileSync(builtFile(board, '.sha256', version), 'utf8'), lines.join(''));
  });
}

for (const board of process.env.PIXPOP_IMAGES?.split(' ') ?? Object.keys(boards)) describe(`an image of ${board}`, () => describeBoard(board));
