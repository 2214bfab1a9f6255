// What board/build takes from Debian for a board: components, firmware, the devices of a driver; with programs in apt's and
// kmod's place. And what is fetched only when it is asked for.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';

const top = new URL('../..', import.meta.url).pathname;
let folder;
const path = (...names) => join(folder, ...names);
const write = (name, ...lines) => writeFileSync(path(name), lines.map((line) => `${line}\n`).join(''));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pixpop-packages-'));
  for (const name of ['bin', 'cache', 'board', 'target/usr/lib/modules']) mkdirSync(path(name), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(name, script) {
  write(`bin/${name}`, '#!/bin/sh', script);
  chmodSync(path('bin', name), 0o755);
}

// A part of board/build with its settings as they would be for a board.
function bash(part, script, environment = {}) {
  const head = `set -euo pipefail; source_root=${top} shared=${top}/board/shared cache=${path('cache')} board_folder=${path('board')}
    architecture=amd64 kernel=linux-image-x keyring=/keyring; fail() { echo "$*" >&2; exit 1; }; complain() { fail "$2"; }`;
  return execFileSync('bash', ['--norc', '-c', `${head}\n. "$shared/${part}.sh"\n${script}`], {
    encoding: 'utf8', stdio: 'pipe', env: { PATH: `${path('bin')}:/usr/sbin:/usr/bin:/sbin:/bin`, ...environment },
  });
}

describe('packages', () => {
  const sources = () => readFileSync(path('cache/apt-amd64/debian.sources'), 'utf8').trim().split('\n\n')
    .map((entry) => ['URIs', 'Suites', 'Components'].map((field) => entry.match(new RegExp(`^${field}: (.*)$`, 'm'))[1]).join(' '));

  // A mirror with these components and packages; "-q update" brings its lists, as apt names them.
  const mirror = (components, known = '*') => program('apt-get', `case "$*" in
      indextargets*'Component: main'*) printf '%s\\n' 'http://mirror/debian bookworm' 'http://mirror/security bookworm-security' ;;
      '-q update') for one in ${components}; do : >"\${APT_CONFIG%/*}/lists/mirror_debian_dists_bookworm_\${one}_binary-amd64_Packages.lz4"; done ;;
      install*) shift 3; for one; do case $one in ${known}) echo "'http://mirror/pool/$one.deb' $one.deb 1 SHA256:00" ;; *) exit 100 ;; esac; done ;;
      download*) echo "'http://mirror/pool/kernel.deb' kernel.deb 1 SHA256:00" ;;
    esac`);
  beforeEach(() => {
    mirror('main non-free-firmware');
    program('apt-cache', 'echo "  Depends: linux-image-x-1"');
  });

  it('come_from_main_alone_when_a_board_names_no_component', () => {
    bash('packages', 'apt_open');
    assert.deepEqual(sources(), ['http://mirror/debian bookworm main', 'http://mirror/security bookworm-security main']);
  });

  it('come_from_a_boards_components_on_the_same_mirrors', () => {
    bash('packages', 'components="non-free-firmware"; apt_open');
    assert.deepEqual(sources(), ['http://mirror/debian bookworm main non-free-firmware', 'http://mirror/security bookworm-security main non-free-firmware']);
    bash('packages', 'components="non-free-firmware"; apt_open', { PIXPOP_DEBIAN: 'http://snapshot/debian' });
    assert.deepEqual(sources(), ['http://snapshot/debian bookworm main non-free-firmware']);
  });

  it('of_a_component_that_the_mirror_has_not_are_missed_by_its_name', () => {
    mirror('main');
    assert.throws(() => bash('packages', 'components="non-free-firmware"; apt_open'), { status: 1, stderr: 'the mirror has no component non-free-firmware\n' });
    bash('packages', 'apt_open');
  });

  it('make_no_list_when_apt_does_not_know_all_of_them', () => {
    const list = `say() { :; }; packages= is_refresh= board_packages=extra grub_packages=; make_list ${path('system.list')} system wanted_debs; cat ${path('system.list')}`;
    mirror('main', '[!e]*');
    assert.throws(() => bash('packages', list), { status: 1, stderr: 'apt does not know all packages\n' });
    assert.ok(!existsSync(path('system.list')));
    mirror('main');
    const lines = bash('packages', list).split('\n');
    for (const name of ['extra', 'kernel']) assert.ok(lines.includes(`http://mirror/pool/${name}.deb ${name}.deb SHA256:00`), lines.join('\n'));
  });

  it('are_asked_for_anew_when_the_components_are_others', () => {
    const [none, empty, some] = ['', 'components=; ', 'components=contrib; '].map((set) => bash('packages', `${set}packages_key`));
    assert.equal(none, empty);
    assert.notEqual(none, some);
  });

  it('leave_of_their_documents_the_copyright_alone', () => {
    for (const name of ['copyright', 'changelog.Debian.gz', 'README', 'examples/copyright.c']) {
      mkdirSync(path('package/usr/share/doc/some', name, '..'), { recursive: true });
      write(`package/usr/share/doc/some/${name}`, name);
    }
    mkdirSync(path('package/DEBIAN'));
    write('package/DEBIAN/control', 'Package: some', 'Version: 1', 'Architecture: all', 'Maintainer: nobody <nobody@localhost>', 'Description: some');
    mkdirSync(path('cache/debs'));
    execFileSync('dpkg-deb', ['--root-owner-group', '-b', path('package'), path('cache/debs/some_1_all.deb')], { stdio: 'pipe' });
    const sum = execFileSync('sha256sum', [path('cache/debs/some_1_all.deb')], { encoding: 'utf8' }).split(' ')[0];
    write('list', `http://mirror/some_1_all.deb some_1_all.deb SHA256:${sum}`);
    bash('packages', `say() { :; }; unpack_debs ${path('list')} ${path('stage')}`);
    assert.equal(execFileSync('find', ['usr/share/doc', '-type', 'f'], { cwd: path('stage'), encoding: 'utf8' }), 'usr/share/doc/some/copyright\n');
  });
});

describe('firmware', () => {
  const files = () => bash('slot', `firmware_for ${path('target')}`).trim().split('\n');
  beforeEach(() => {
    program('modinfo', "printf '%s\\n' a/one_1.bin a/one_2.bin a/two.bin b/three.bin b/three.bin");
    write('target/usr/lib/modules/some.ko');
  });

  it('is_what_the_drivers_ask_for_and_a_board_chooses', () => {
    write('board/firmware', '# chips', 'a/one_*   # both', 'b/*', 'c/nobody_asks.bin');
    assert.deepEqual(files(), ['/usr/lib/firmware/a/one_1.bin', '/usr/lib/firmware/a/one_2.bin', '/usr/lib/firmware/b/three.bin']);
  });

  it('is_left_out_again_by_a_later_line', () => {
    write('board/firmware', 'a/*', '!a/one_*', 'a/one_2.bin');
    assert.deepEqual(files(), ['/usr/lib/firmware/a/one_2.bin', '/usr/lib/firmware/a/two.bin']);
  });

  it('is_none_where_a_board_chooses_none', () => assert.deepEqual(files(), ['']));
});

describe('aliases', () => {
  it('of_a_driver_that_a_board_names_are_replaced_and_others_stay', () => {
    write('board/aliases', '# some', 'gpu pci:v1d2*  # a chip', 'gpu pci:v1d3*', 'absent pci:v9*');
    write('modules.alias', '# Aliases', 'alias pci:v1d*bc03* gpu', 'alias pci:v2* card', 'alias pci:v1d7* gpu', 'alias pci:v3* gpu_too');
    bash('slot', `limit_aliases ${path('modules.alias')}`);
    assert.equal(readFileSync(path('modules.alias'), 'utf8'),
      ['# Aliases', 'alias pci:v1d2* gpu', 'alias pci:v1d3* gpu', 'alias pci:v2* card', 'alias pci:v3* gpu_too', ''].join('\n'));
  });

  it('stay_as_they_are_where_a_board_names_none', () => {
    const lines = ['# Aliases', 'alias pci:v1d* gpu', ''].join('\n');
    for (const named of [[], ['# none']]) {
      write('board/aliases', ...named);
      writeFileSync(path('modules.alias'), lines);
      bash('slot', `limit_aliases ${path('modules.alias')}`);
      assert.equal(readFileSync(path('modules.alias'), 'utf8'), lines);
    }
  });

  it('are_never_gone_altogether', () => {
    write('board/aliases', 'gpu pci:v1d2*');
    write('modules.alias', '# Aliases');
    assert.throws(() => bash('slot', `limit_aliases ${path('modules.alias')}`), { status: 1, stderr: /modules\.alias has no alias/ });
    assert.equal(readFileSync(path('modules.alias'), 'utf8'), '# Aliases\n');
  });
});

describe('a graphics driver that is compiled', () => {
  const make = (settings) => bash('graphics', `out=${folder} machine=x86_64; ${settings}; say() { echo "$*"; }; make_graphics`, { triplet: 'x86_64-linux-gnu' });

  it('is_made_for_boards_that_want_it_alone', () => assert.equal(make(':'), ''));

  it('is_refused_when_what_compiles_it_is_missing', () => {
    program('dpkg-query', "printf '%s\\n' 'installed gcc 12' 'unknown meson ' 'installed g++ 12'");
    assert.throws(() => make('vulkan_without_llvm=radeon'), { status: 1, stderr: /run tools\/setup --board\nunknown meson/ });
  });

  // With shell functions in place of the compilers, since it takes Debian's own programs whatever PATH says.
  const compile = (standIns = ':') => bash('graphics', `machine=x86_64 strip=copy mesa_source=${path('mesa')} graphics=${path('cache/graphics-1')}
    say() { echo "$*"; }; copy() { cp "$3" "$2"; }; meson() { env | grep -E '^(CC|CXX|CPPFLAGS|PKG_CONFIG_PATH)=' && exit 9; echo "$PWD"; }
    nice() { mkdir -p src/amd/vulkan && echo driver >src/amd/vulkan/libvulkan_radeon.so && echo icd >src/amd/vulkan/radeon_icd.x86_64.json; }
    ${standIns}; compile_graphics ${path('log')}`, { CC: 'other', CXX: 'other', CPPFLAGS: '-O0', PKG_CONFIG_PATH: '/other', triplet: 'x86_64-linux-gnu' });
  const there = (name) => execFileSync('find', [path(name), '-mindepth', '1', '-printf', '%P\n'], { encoding: 'utf8' }).trim().split('\n').sort();

  it('is_made_by_itself_alone_and_leaves_nothing_lying_about', () => {
    for (const name of ['mesa/build-older', 'cache/graphics-1.new', 'cache/graphics-other']) mkdirSync(path(name), { recursive: true });
    write('cache/graphics-1.new/half');
    assert.match(compile(), /compiling Mesa/);
    assert.match(readFileSync(path('log'), 'utf8'), /\/mesa\/build-\w{6}\n$/);
    assert.deepEqual(there('cache'), ['graphics-1', 'graphics-1/libvulkan_radeon.so', 'graphics-1/radeon_icd.x86_64.json', 'graphics-other']);
    assert.deepEqual(there('mesa'), ['']);
    rmSync(path('cache/graphics-1'), { recursive: true });
    assert.throws(() => compile('nice() { return 1; }'), { status: 1, stderr: /does not compile/ });
    assert.deepEqual([...there('cache'), ...there('mesa')], ['graphics-other', '']);
  });

  it('is_waited_for_while_another_build_compiles_it', () => {
    mkdirSync(path('mesa'));
    const other = `exec 7>${path('mesa.lock')}; flock 7; flock() { command flock "$@" && return; [ "$1" != -n ] || { exec 7>&-; mkdir ${path('cache/graphics-1')}; echo other >${path('cache/graphics-1/libvulkan_radeon.so')}; return 1; }; }`;
    assert.equal(compile(other), "waiting for another build to have compiled Mesa's driver\n");
    assert.equal(readFileSync(path('cache/graphics-1/libvulkan_radeon.so'), 'utf8'), 'other\n');
  });

  it('is_refused_where_nobody_has_tried_it', () => {
    assert.throws(() => make('vulkan_without_llvm=nouveau'), { status: 1, stderr: /knows radeon alone/ });
    assert.throws(() => make('vulkan_without_llvm=radeon architecture=arm64'), { status: 1, stderr: /amd64 alone/ });
  });
});

describe('source packages', () => {
  it('that_only_some_boards_want_are_not_fetched_with_the_others', () => {
    const script = readFileSync(join(top, 'tools/fetch-source'), 'utf8').match(/^names\(\) .*$/m)[0];
    const names = execFileSync('bash', ['--norc', '-c', `list=${top}/tools/sources.txt; ${script}; names`], { encoding: 'utf8' }).trim().split('\n');
    assert.ok(names.includes('civetweb') && names.includes('lwip'), String(names));
    assert.ok(!names.includes('mesa'), String(names));
    assert.match(readFileSync(join(top, 'tools/sources.txt'), 'utf8'), /^mesa \S+ when-asked\b/m);
  });

  it('come_from_the_mirrors_of_this_machine_or_from_the_one_that_is_named', () => {
    program('apt-get', "printf '%s\\n' 'http://mirror/security bookworm-security main' 'http://mirror/debian bookworm main'");
    const script = readFileSync(join(top, 'tools/fetch-source'), 'utf8').match(/^source_places\(\) [^]*?^}$/m)[0];
    const places = (environment = {}) => execFileSync('bash', ['--norc', '-euo', 'pipefail', '-c', `${script}\nsource_places`], {
      encoding: 'utf8', env: { PATH: `${path('bin')}:/usr/bin:/bin`, ...environment },
    });
    assert.equal(places(), 'http://mirror/debian bookworm main\nhttp://mirror/security bookworm-security main\n');
    assert.equal(places({ PIXPOP_DEBIAN: 'http://snapshot/debian' }), 'http://snapshot/debian bookworm main\n');
  });
});
