// The shell programs of an appliance (board/shared), run by busybox in a folder of their own with what an intruder, a
// failing disk or another version may have left there; and what board/build refuses. Wants root (chroot) and e2fsprogs.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync, chownSync, copyFileSync, cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, readlinkSync, renameSync, rmSync,
  symlinkSync, truncateSync, utimesSync, writeFileSync, writeSync,
} from 'node:fs';
import { randomBytes, X509Certificate } from 'node:crypto';
import { hostname, release, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';

const boards = new URL('../../board', import.meta.url).pathname, source = join(boards, 'shared');
const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync);
let root;

const path = (name) => join(root, name);
function write(name, content = '') {
  mkdirSync(dirname(path(name)), { recursive: true });
  writeFileSync(path(name), content);
}

function makeRoot() {
  root = mkdtempSync(join(tmpdir(), 'pixpop-shell-'));
  chmodSync(root, 0o755);
  for (const name of ['usr/bin', 'usr/sbin', 'data', 'run', 'dev', 'tmp']) mkdirSync(path(name), { recursive: true });
  for (const name of ['bin', 'sbin']) symlinkSync(`usr/${name}`, path(name));
  copyFileSync(busybox, path('bin/busybox'));
  execFileSync('chroot', [root, '/bin/busybox', '--install', '-s', '/bin']);
  cpSync(join(source, 'root'), root, { recursive: true });
  cpSync(join(source, 'initramfs'), path('initramfs'), { recursive: true });
  write('dev/urandom', randomBytes(1024));
  write('dev/zero', Buffer.alloc(65536));
  write('dev/null');
}

// A program that stands in for one that busybox has not, or says how it was called.
function program(name, script) {
  rmSync(path(`usr/bin/${name}`), { force: true });
  write(`usr/sbin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(path(`usr/sbin/${name}`), 0o755);
}

// Nothing in there is to change this machine's host name; where that is allowed it can not.
const guard = spawnSync('unshare', ['--uts', 'true']).status === 0 ? ['unshare', '--uts'] : ['env'];
const inside = (...words) => spawnSync(guard[0], [...guard.slice(1), 'chroot', root, ...words], { encoding: 'utf8', timeout: 30000, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
const sh = (script) => inside('/bin/sh', '-c', script);
// runit's chpst, which busybox has not.
const chpst = () => program('chpst', '[ "$1 $2" = "-u pixpop" ] || exit 111; shift 2; exec su -s /bin/sh pixpop -c \'exec "$@"\' -- sh "$@"');
const about = (name) => lstatSync(path(name));
const mode = (name) => (about(name).mode & 0o7777).toString(8);
const clear = () => { if (root) rmSync(root, { recursive: true, force: true }); };

beforeEach(() => {
  clear();
  makeRoot();
});
after(clear);

describe('identity', () => {
  beforeEach(chpst);
  const identity = () => {
    const run = inside('/usr/lib/pixpop/identity');
    assert.equal(run.status, 0, run.stderr);
  };

  it('leaves_user_pixpop_its_own_two_folders_and_nothing_else', () => {
    identity();
    assert.deepEqual([about('data/system').uid, mode('data/system')], [0, '755']);
    for (const name of ['data/system/box', 'data/pixpop']) assert.deepEqual([about(name).uid, mode(name)], [100, '700']);
    assert.deepEqual([about('data/system/box/claim').uid, mode('data/system/box/claim')], [100, '600']);
    assert.match(readFileSync(path('data/system/host_name'), 'utf8'), /^pixpop-[0-9a-z]{4}\n$/);
    assert.equal(readlinkSync(path('data/system/tls.pem')), '../pixpop/console.pem');
    assert.match(readFileSync(path('run/claim-code'), 'utf8'), /^[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\n$/);
  });

  it('makes_another_code_until_somebody_has_the_token', () => {
    identity();
    const first = readFileSync(path('data/system/box/claim'), 'utf8');
    write('dev/urandom', randomBytes(1024));
    identity();
    const second = readFileSync(path('data/system/box/claim'), 'utf8');
    assert.match(second, /^[0-9a-f]{64}\n$/);
    assert.notEqual(first, second);
    write('data/pixpop/token.sha256', 'x');
    rmSync(path('data/system/box/claim'));
    rmSync(path('run/claim-code'));
    identity();
    assert.ok(!existsSync(path('data/system/box/claim')) && !existsSync(path('run/claim-code')));
  });

  for (const name of ['claim', 'claim.new']) {
    it(`gives_nothing_away_through_a_link_at_${name}`, () => {
      identity();
      write('data/log/boot/current', 'of root');
      rmSync(path(`data/system/box/${name}`), { force: true });
      for (const target of ['/data/log', '/data/log/boot/current']) {
        rmSync(path(`data/system/box/${name}`), { force: true });
        symlinkSync(target, path(`data/system/box/${name}`));
        identity();
        assert.deepEqual([about('data/log').uid, mode('data/log')], [0, '755']);
        assert.equal(readFileSync(path('data/log/boot/current'), 'utf8'), 'of root');
        assert.deepEqual([about('data/log/boot/current').uid, mode('data/log/boot/current')], [0, '644']);
        assert.ok(about('data/system/box/claim').isFile());
      }
    });
  }
});

describe('greet', () => {
  const said = ['ttyS0', 'tty0'];
  const greet = () => {
    for (const name of said) write(`dev/${name}`);
    const run = inside('/usr/lib/pixpop/greet', '192.0.2.7');
    assert.equal(run.status, 0, run.stderr);
    const [first, second] = said.map((name) => readFileSync(path(`dev/${name}`), 'utf8'));
    assert.equal(first, second);
    return first;
  };
  beforeEach(() => {
    chpst();
    program('sleep', 'echo "$@" >>/run/slept');
    write('etc/pixpop/board', 'board test\nversion 1.2.3\n');
    write('sys/class/tty/console/active', `${said.join(' ')}\n`);
    mkdirSync(path('data/pixpop'), { recursive: true });
    write('run/pixpop/late');
  });

  function makeIdentity() {
    const pem = path('data/pixpop/console.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=pixpop',
      '-keyout', path('tmp/key'), '-out', path('tmp/certificate')], { stdio: 'pipe' });
    const certificate = readFileSync(path('tmp/certificate'));
    writeFileSync(pem, Buffer.concat([readFileSync(path('tmp/key')), certificate]), { mode: 0o600 });
    chownSync(pem, 100, 100);
    return new X509Certificate(certificate).fingerprint256;
  }

  it('shows_address_code_and_fingerprint_on_every_console', () => {
    const fingerprint = makeIdentity();
    write('data/system/box/claim', 'x');
    write('run/claim-code', '7KQX-2M9P-4TRW\n');
    const text = greet();
    assert.ok(text.includes(`  pixpop 1.2.3 on ${hostname()}\r\n`));
    assert.match(text, /https:\/\/192\.0\.2\.7:8443\/\r\n/);
    assert.equal(text.match(/ fingerprint {2}(\S+)\r\n/)[1], fingerprint);
    assert.match(text, / claim +7KQX-2M9P-4TRW /);
    rmSync(path('data/system/box/claim'));
    assert.doesNotMatch(greet(), /claim/);
    assert.ok(!existsSync(path('run/slept')));
  });

  it('waits_a_while_for_a_certificate_and_goes_on_without_one', () => {
    const text = greet();
    assert.match(text, /192\.0\.2\.7/);
    assert.doesNotMatch(text, /fingerprint/);
    assert.equal(readFileSync(path('run/slept'), 'utf8'), '1\n'.repeat(10));
  });

  it('waits_at_the_start_of_the_box_until_the_page_is_there', () => {
    makeIdentity();
    rmSync(path('run/pixpop/late'));
    program('sleep', 'echo "$@" >>/run/slept; cat /dev/tty0 >>/run/too-soon; : >/run/pixpop/late');
    assert.match(greet(), / fingerprint /);
    assert.equal(readFileSync(path('run/slept'), 'utf8'), '1\n');
    assert.equal(readFileSync(path('run/too-soon'), 'utf8'), '');
  });

  it('shows_no_fingerprint_of_what_user_pixpop_may_not_read', () => {
    makeIdentity();
    renameSync(path('data/pixpop/console.pem'), path('run/of-root.pem'));
    chownSync(path('run/of-root.pem'), 0, 0);
    symlinkSync('/run/of-root.pem', path('data/pixpop/console.pem'));
    assert.doesNotMatch(greet(), /fingerprint/);
  });
});

describe('the consoles', () => {
  const places = ['ttyS0', 'tty0', 'console'];
  const greeting = '\npixpop rescue\n  page         https://192.0.2.7/\n  code         7KQX-2M9P-4TRW\n';
  const shown = greeting.replaceAll('\n', '\r\n');
  const texts = () => Object.fromEntries(places.filter((name) => existsSync(path(`dev/${name}`))).map((name) => [name, readFileSync(path(`dev/${name}`), 'utf8')]));
  beforeEach(() => {
    write('sys/class/tty/console/active', 'ttyS0\n');
    for (const name of places) write(`dev/${name}`);
    write('run/greeting', greeting);
  });

  for (const [what, active, gone, wanted] of [
    ['all_that_the_kernel_has', 'tty0 ttyS0\n', [], { ttyS0: shown, tty0: shown, console: '' }],
    ['the_screen_too_where_the_kernel_has_a_serial_line', 'ttyS0\n', [], { ttyS0: shown, tty0: shown, console: '' }],
    ['a_serial_line_where_there_is_no_screen', 'ttyS0\n', ['tty0'], { ttyS0: shown, console: '' }],
    ['the_last_one_where_nobody_knows_them', undefined, ['tty0'], { ttyS0: '', console: shown }],
  ]) {
    it(`are_${what}`, () => {
      for (const name of gone) rmSync(path(`dev/${name}`));
      if (active === undefined) rmSync(path('sys/class/tty/console/active'));
      else write('sys/class/tty/console/active', active);
      const run = sh('. /usr/lib/pixpop/console.sh; console_lines </run/greeting');
      assert.deepEqual([run.status, run.stdout, run.stderr], [0, '', '']);
      assert.deepEqual(texts(), wanted);
    });
  }

  it('show_what_the_rescue_system_says_until_it_wants_a_restart', () => {
    program('pixpop-rescue', 'cat /run/greeting; [ -e /run/again ] && exit 10; : >/run/again; echo "it failed" >&2; exit 1');
    program('sleep', 'exit 0');
    write('etc/pixpop/board.sh', 'board=test\n');
    write('proc/mounts');
    const standIns = 'wait_for_disk() { :; }; umount() { :; }; reboot() { echo "reboot $*"; exit 7; }; rescue=failed';
    const run = sh(`${standIns}; . /usr/lib/pixpop/console.sh; eval "$(sed -n '/^say()/p; /^rescue_system()/,/^}/p' /initramfs/init)"; rescue_system failed`);
    assert.deepEqual([run.status, run.stdout], [7, 'reboot -f\n'], run.stderr);
    const text = `pixpop: rescue system: failed\r\n${shown}it failed\r\n${shown}`;
    assert.deepEqual(texts(), { ttyS0: text, tty0: text, console: '' });
  });

  it('show_the_code_of_the_rescue_page_beside_the_system_and_its_log_does_not', () => {
    program('setpriv', 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"');
    cpSync(path('usr/sbin/setpriv'), path('usr/bin/setpriv'));
    write('usr/lib/pixpop/pixpop-rescue', '#!/bin/sh\ncat /run/greeting; echo "a line for the log" >&2; exit 10\n');
    chmodSync(path('usr/lib/pixpop/pixpop-rescue'), 0o755);
    write('data/system/network.conf', 'service eth1\n');
    write('data/system/host_name', 'pixpop-4yg2\n');
    write('proc/cmdline', 'pixpop.slot=A\n');
    write('etc/pixpop/board', 'board test\n');
    for (const round of [1, 2]) {
      for (const name of places) write(`dev/${name}`);
      const run = inside('/etc/sv/rescue/run');
      assert.deepEqual([run.status, run.stdout], [10, 'a line for the log\n'], `${round}: ${run.stderr}`);
      assert.deepEqual(texts(), { ttyS0: shown, tty0: shown, console: '' });
    }
  });
});

describe('the start of pixpopd', () => {
  const own = 'data/system/box/pixpop.conf';
  beforeEach(() => {
    chpst();
    program('setpriv', 'while [ "${1#--}" != "$1" ]; do [ "${1#--re}" = "$1" ] || shift; shift; done; exec "$@"');
    cpSync(path('usr/sbin/setpriv'), path('usr/bin/setpriv'));
    write('usr/lib/pixpop/pixpopd', '#!/bin/sh\n[ "$3" = --check-config ] && { grep -q wrong "$2" && echo "$2: a fault" && exit 2; exit 0; }\necho "$@"; cat "$2"\n');
    chmodSync(path('usr/lib/pixpop/pixpopd'), 0o755);
    for (const name of ['data/pixpop', 'data/system/box']) {
      mkdirSync(path(name), { recursive: true });
      chownSync(path(name), 100, 100);
    }
  });
  const start = () => {
    const run = sh('ulimit() { :; }; . /etc/sv/pixpopd/run');  // nobody may raise a limit in here
    assert.deepEqual([run.status, run.stderr], [0, ''], run.stdout);
    return run.stdout;
  };
  const called = (config, url) => `--config ${config} --starting-file /run/pixpopd/starting${url ? ' --set delivery.public_url=http://{host_name}.local' : ''}\n`;

  it('has_the_settings_of_the_image_as_long_as_the_box_has_none', () => {
    assert.equal(start(), called('/etc/pixpop/pixpop.conf', true) + readFileSync(path('etc/pixpop/pixpop.conf'), 'utf8'));
    write(own);
    assert.match(start(), /^--config \/etc\/pixpop\/pixpop\.conf /);
  });

  // SIGHUP reads the file that was named.
  it('has_those_of_the_box_as_they_are_then_and_keeps_them_until_the_next_one', () => {
    write(own, '[delivery]\npublic_url = https://first.example\n');
    assert.equal(start(), `${called('/run/pixpopd/pixpop.conf')}[delivery]\npublic_url = https://first.example\n`);
    write(own, '[log]\nlevel = debug\n');
    assert.match(readFileSync(path('run/pixpopd/pixpop.conf'), 'utf8'), /first\.example/);
    assert.deepEqual([about('run/pixpopd/pixpop.conf').uid, mode('run/pixpopd/pixpop.conf'), about('run/pixpopd').uid, mode('run/pixpopd')], [100, '600', 100, '700']);
    assert.equal(start(), `${called('/run/pixpopd/pixpop.conf', true)}[log]\nlevel = debug\n`);
  });

  it('goes_on_without_settings_that_are_wrong_or_that_user_pixpop_may_not_read', () => {
    write(own, 'wrong\n');
    assert.match(start(), /^the settings in \/data\/system\/box\/pixpop\.conf are not used: \/run\/pixpopd\/pixpop\.conf: a fault\n--config \/etc\/pixpop\/pixpop\.conf /);
    write('run/of-root', 'secret\n');
    chmodSync(path('run/of-root'), 0o600);
    rmSync(path(own));
    symlinkSync('/run/of-root', path(own));
    assert.match(start(), /are not used: .*of-root|are not used: .*denied/);
    assert.doesNotMatch(readFileSync(path('run/pixpopd/pixpop.conf'), 'utf8'), /secret/);
  });
});

describe('drivers', () => {
  const bus = (kind, name, content) => Object.entries(content).forEach(([file, text]) => write(`sys/bus/${kind}/devices/${name}/${file}`, text));
  // Functions of a program; busybox would call a modprobe of its own.
  const part = (file, ...names) => names.map((name) => readFileSync(path(file), 'utf8').match(new RegExp(`^${name}\\(\\) \\{(.*\\}$|\n[^]*?^\\}$)`, 'm'))[0]).join('\n')
    .replace('xargs -0 -r modprobe', 'xargs -0 -r /usr/sbin/modprobe').concat('\nmodprobe() { /usr/sbin/modprobe "$@"; }');
  const asked = () => readFileSync(path('run/asked'), 'utf8').trim().split('\n');
  beforeEach(() => {
    write('run/asked');
    program('modprobe', '[ "$1$2" = -q-a ] || exit 1; shift 2; [ "$1" != -b ] || shift; for one; do echo "$one" >>/run/asked; done');
  });

  it('are_loaded_late_for_every_device_whatever_it_is_called', () => {
    bus('pci', 'a', { modalias: 'pci:v1\n' });
    bus('acpi', 'b', { modalias: "acpi:O'NEIL \"12\"\n" });
    write('sys/devices/system/cpu/modalias', 'cpu:type:x86,feature:,0001\n');
    const run = sh(`${part('usr/lib/pixpop/late', 'load_modules')}; load_modules`);
    assert.deepEqual([run.status, run.stdout, run.stderr], [0, '', '']);
    assert.deepEqual(asked(), ["acpi:O'NEIL \"12\"", 'cpu:type:x86,feature:,0001', 'pci:v1']);
  });

  for (const [what, first, later] of [['also_on_a_bus_that_they_bring', ['pci:v1'], ['usb:v2']], ['also_when_nothing_was_there_before', [], ['usb:v2']], ['once', ['pci:v1'], []]]) {
    it(`are_loaded_early_${what}`, () => {
      write('etc/modules', 'loop\n');
      write('etc/coldplug');
      first.forEach((name) => bus('pci', name, { modalias: `${name}\n` }));
      later.forEach((name) => bus('usb', name, { later: `${name}\n` }));
      // What the first round brings is there in the second one.
      const run = sh(`real_${part('initramfs/init', 'load_drivers', 'list_hardware', 'load_modules')}
        load_drivers() { real_load_drivers; for one in /sys/bus/usb/devices/*; do [ ! -e "$one/later" ] || mv "$one/later" "$one/modalias"; done; }
        load_modules`);
      assert.deepEqual([run.status, run.stdout, run.stderr], [0, '', '']);
      assert.deepEqual(asked(), ['loop', ...first, ...later]);
    });
  }

  // The driver would take every chip that it knows, and the screen with it.
  it('of_amd_graphics_are_kept_from_the_chips_that_they_are_not_loaded_for', () => {
    const card = (name, chip, kind) => bus('pci', name, { class: `0x${kind}00\n`, modalias: `pci:v${chip}sv00001043sd00008877bc${kind.slice(0, 2)}sc${kind.slice(2)}i00\n`, driver_override: '(null)\n' });
    card('listed', '00001002d00001636', '0300');
    card('unlisted', '00001002d000015BF', '0300');
    card('second', '00001002d0000744C', '0380');
    card('accelerator', '00001002d000074A1', '1200');
    card('sound', '00001002d00001637', '0403');
    card('intel', '00008086d000046D1', '0300');
    write(`usr/lib/modules/${release()}/modules.alias`, '# Aliases\nalias pci:v00001002d00001636sv*sd*bc*sc*i* amdgpu\nalias pci:v00001002d000015BFsv*sd*bc*sc*i* other\n');
    const run = sh(`${part('usr/lib/pixpop/start', 'find_graphics', 'keep_from_amdgpu')}; find_graphics; keep_from_amdgpu $amd; echo $graphics`);
    assert.equal(run.stderr, '');
    assert.deepEqual(run.stdout.trim().split(' ').map((alias) => alias.slice(13, 22)).sort(), ['d000015BF', 'd00001636', 'd000046D1', 'd0000744C']);
    const overrides = ['listed', 'unlisted', 'second', 'accelerator', 'sound', 'intel'].map((name) => readFileSync(path(`sys/bus/pci/devices/${name}/driver_override`), 'utf8').trim());
    assert.deepEqual(overrides, ['(null)', 'none', 'none', 'none', '(null)', '(null)']);
  });
});

describe('network cards', () => {
  for (const [text, wanted] of [
    [undefined, ['eth0', 'eth1']], ['service eth1\n', ['eth0']], ['mode dhcp\nservice eth0', ['eth1']], ['service eth7\n', ['eth0', 'eth1']],
  ]) {
    it(`are_switched_on_early_but_for_the_one_of_the_rescue_page_with_${JSON.stringify(text ?? 'no settings')}`, () => {
      for (const name of ['eth0', 'eth1']) write(`sys/class/net/${name}/device`);
      mkdirSync(path('sys/class/net/erspan0'), { recursive: true });
      if (text) write('data/system/network.conf', text);
      const run = sh(`ip() { echo "$*"; }; eval "$(sed -n '/^wake_cards()/,/^}/p' /initramfs/init)"; wake_cards`);
      assert.deepEqual([run.stderr, run.stdout], ['', wanted.map((name) => `link set ${name} up\n`).join('')]);
    });
  }
});

describe('network', () => {
  const network = (...words) => inside('/usr/lib/pixpop/network', ...words);
  it('refuses_what_it_does_not_understand_when_a_file_is_checked', () => {
    for (const [text, wanted] of [
      ['mode static\n', /mode static wants an address/], ['address 1.2.3.300/24', /line 1: address/], ['shoe 42\n', /line 1: 'shoe' is not understood/],
      ['mode dhcp\nservice ../etc', /line 2: service/], [`${'#'.repeat(5000)}`, /more than 4096 bytes/],
    ]) {
      write('tmp/conf', text);
      const run = network('check', '/tmp/conf');
      assert.equal(run.status, 1, text);
      assert.match(run.stderr, wanted);
    }
    write('tmp/conf', 'mode static\naddress 10.0.0.2/24\ngateway 10.0.0.1\ndns 9.9.9.9\nntp a.example\nhost_name box\nservice eth1');
    assert.equal(network('check', '/tmp/conf').status, 0);
  });

  it('has_no_service_card_unless_all_of_the_file_is_right', () => {
    for (const [text, card] of [['service eth1\n', 'eth1'], ['service eth1\nfuture thing\n', 'eth1'], ['service eth1\nmode wrong\n', ''], ['service ;reboot\n', '']]) {
      write('data/system/network.conf', text);
      assert.equal(network('service').stdout.trim(), card, text);
    }
    rmSync(path('data/system/network.conf'));
    mkdirSync(path('data/system/network.conf'));
    assert.equal(network('service').stdout.trim(), '');
  });

  it('asks_for_an_address_by_dhcp_whatever_is_wrong_with_the_settings', () => {
    // An interface that is there, and programs that say how they are called.
    write('sys/class/net/eth0/device', '');
    write('data/system/host_name', 'pixpop-test\n');
    for (const name of ['udhcpc', 'ip', 'hostname', 'chronyc', 'sv']) {
      program(name, `echo ${name} "$@" >>/run/called`);
    }
    for (const [text, wanted] of [['mode static\naddress nonsense\n', /line 2: address/], ['dns 9.9.9.9\nfuture thing\n', /line 2: 'future'.*left out/]]) {
      rmSync(path('run/called'), { force: true });
      write('data/system/network.conf', text);
      const run = network('run');
      assert.equal(run.status, 0, run.stderr);
      assert.match(run.stdout, wanted);
      assert.match(readFileSync(path('run/called'), 'utf8'), /^udhcpc .*-i eth0/m);
    }
    assert.equal(readFileSync(path('run/resolv.conf'), 'utf8'), 'nameserver 9.9.9.9\n');
  });

  it('tells_a_new_host_name_to_those_who_name_it_and_only_then', () => {
    write('data/system/host_name', 'pixpop-test\n');
    const standIns = ['hostname', 'sv'].map((name) => `${name}() { echo ${name} "$@" >>/run/called; }`).join('; ');
    const called = (name) => {
      write('run/called');
      write('data/system/network.conf', `host_name ${name}\n`);
      // Functions, since busybox has a program of its own for the first.
      const run = sh(`eval "$(sed '/^case \$1 in/,$d' /usr/lib/pixpop/network)"; ${standIns}; use_settings; use_host_name`);
      assert.equal(run.stdout, '', run.stderr);
      assert.equal(readFileSync(path('data/system/host_name'), 'utf8'), `${name}\n`);
      return readFileSync(path('run/called'), 'utf8');
    };
    assert.equal(called('pictures'), 'hostname pictures\nsv restart /etc/sv/mdns\nsv hup /etc/sv/pixpopd\n');
    assert.equal(called('pictures'), '');
  });
});

describe('the data partition', () => {
  const mib = 2 ** 20;
  const ask = (what, data = '/run/disk') => sh(`data=${data}; . /initramfs/data.sh; ${what}`);
  const disk = (bytes) => {
    write('run/disk');
    truncateSync(path('run/disk'), bytes);
  };
  const zero = (at, bytes) => {
    const fd = openSync(path('run/disk'), 'r+');
    writeSync(fd, Buffer.alloc(bytes), 0, bytes, at);
    closeSync(fd);
  };
  const format = () => execFileSync('/usr/sbin/mke2fs', ['-q', '-F', '-t', 'ext4', path('run/disk')]);

  it('is_blank_as_an_image_brings_it_also_over_an_older_disk', () => {
    disk(20 * mib);
    assert.equal(ask('is_blank').status, 0);
    disk(600 * mib);
    format();
    zero(0, 16 * mib);
    assert.equal(ask('is_blank').status, 0);
  });

  it('is_not_blank_because_it_cannot_be_read', () => {
    assert.equal(ask('is_blank', '/run').status, 2);
    assert.equal(ask('is_blank', '/run/nothing').status, 2);
    disk(4096);
    assert.equal(ask('is_blank').status, 2);
  });

  for (const size of [64, 600]) {
    it(`is_not_blank_because_its_start_was_forgotten_of_${size}_MiB`, () => {
      disk(size * mib);
      format();
      assert.equal(ask('is_blank').status, 1);
      zero(0, 65536);
      assert.equal(ask('is_blank').status, 1);
    });

    it(`is_blank_when_the_power_failed_in_a_reset_of_${size}_MiB`, () => {
      disk(size * mib);
      format();
      ask('format_data');  // there is no mke2fs in here: as if the power had failed before it
      assert.equal(ask('is_blank').status, 0);
    });

    it(`is_small_until_it_has_grown_to_the_end_of_${size}_MiB`, () => {
      disk(size * mib);
      format();
      assert.equal(ask('file_system_bytes').stdout.trim(), `${size * mib}`);
      assert.equal(ask(`is_small ${size * mib}`).status, 1);
      assert.equal(ask(`is_small ${(size + 100) * mib}`).status, 0);
    });
  }
});

describe('making the data partition', () => {
  // open_data of init, as far as it goes by what lies there: what mke2fs was told.
  const made = (blank) => {
    write('run/told');
    const standIns = `say() { :; }; grow_data() { :; }; patiently() { "$@"; }; is_blank() { return ${blank}; }; umount() { :; }; check_data() { :; }
      mount_data() { [ -e /data/system ] || mkdir /data/system; }; is_small() { return 1; }`;
    write('run/mke2fs', '#!/bin/sh\necho "$@" >>/run/told\n');
    chmodSync(path('run/mke2fs'), 0o755);
    const run = sh(`data=/run/disk; part=none; eval "$(sed 's,/usr/sbin/mke2fs,/run/mke2fs,' /initramfs/data.sh)"; ${standIns}
      eval "$(sed -n '/^open_data()/,/^}/p' /initramfs/init)"; open_data`);
    assert.deepEqual([run.status, run.stdout], [0, ''], run.stderr);
    return readFileSync(path('run/told'), 'utf8').trim();
  };
  beforeEach(() => write('run/disk', Buffer.alloc(2 ** 20)));

  it('waits_for_no_discard_at_the_first_start', () => {
    const told = made(0);
    assert.match(told, / -E nodiscard,/);
    const real = spawnSync('/usr/sbin/mke2fs', [...told.split(' ').slice(0, -1), path('run/real'), '64M'], { encoding: 'utf8' });
    assert.equal(real.status, 0, real.stderr);
    assert.doesNotMatch(real.stdout + real.stderr, /[Ii]nvalid|[Uu]nknown/);
  });

  it('discards_what_was_there_in_a_factory_reset', () => {
    write('data/system/factory-reset');
    const told = made(1);
    assert.match(told, /^-q -F -t ext4 .*\/run\/disk$/);
    assert.doesNotMatch(told, /discard|-E/);
  });

  it('leaves_one_alone_that_is_there', () => assert.equal(made(1), ''));
});

describe('trim', () => {
  const gib = 2 ** 30;
  // Until it sleeps for half a day; `bytes`: how long the file system is, 0: it can not be trimmed.
  const trimmed = (bytes) => {
    write('run/called');
    const standIns = `chpst() { shift 5; "$@"; }; find() { /bin/busybox find "$@"; }
      fstrim() { [ "$1$3$5" = -o-l/data ] || exit 9; [ $2 -lt ${bytes} ] || { echo "no such place" >&2; return 1; }; echo "$2 $4" >>/run/called; }
      sleep() { [ $1 -ne 43200 ] || exit 0; }`;
    const run = sh(`${standIns}; . /usr/lib/pixpop/trim`);
    assert.deepEqual([run.status, run.stdout, run.stderr], [0, '', '']);
    return readFileSync(path('run/called'), 'utf8').trim().split('\n').filter((line) => line !== '').map((line) => line.split(' ').map(Number));
  };
  const stamp = () => path('data/system/trimmed');
  beforeEach(() => {
    mkdirSync(path('data/system'), { recursive: true });
    mkdirSync(path('run/pixpop'), { recursive: true });
  });

  it('goes_through_the_whole_file_system_in_pieces_and_then_leaves_it_for_a_week', () => {
    assert.deepEqual(trimmed(10 * gib), [0, 4, 8].map((at) => [at * gib, 4 * gib]));
    assert.deepEqual(trimmed(10 * gib), []);
    const age = (days) => utimesSync(stamp(), new Date(), new Date(Date.now() - days * 86400000));
    age(6);
    assert.deepEqual(trimmed(gib), []);
    age(9);
    assert.deepEqual(trimmed(gib), [[0, 4 * gib]]);
    age(-900);  // by a clock that was ahead
    assert.deepEqual(trimmed(gib), [[0, 4 * gib]]);
    assert.deepEqual(trimmed(gib), []);
  });

  it('is_silent_where_the_medium_can_not_and_asks_again', () => {
    assert.deepEqual(trimmed(0), []);
    assert.ok(!existsSync(stamp()));
    assert.deepEqual(trimmed(gib), [[0, 4 * gib]]);
  });
});

describe('the disk', () => {
  const names = ['esp', 'bootenv', 'bootA', 'bootB', 'rootA', 'rootB', 'data'];
  function addDisk(disk, partitions, bootenv = '') {
    mkdirSync(path('sys/class/block'), { recursive: true });
    partitions.forEach((name, i) => {
      const device = `${disk}${i + 2}`;
      write(`sys/devices/${disk}/${device}/uevent`, `DEVNAME=${device}\nPARTNAME=${name}\n`);
      symlinkSync(`../../devices/${disk}/${device}`, path(`sys/class/block/${device}`));
      if (name === 'bootenv') write(`dev/${device}`, `\0\0#\nSEQ=9\n${bootenv}\n####\0`);
    });
  }
  const find = (count = '', isLast = 'last') => {
    const run = sh(`count=${count}; . /initramfs/partitions.sh; find_disk ${isLast} || { echo none; exit; }; name_partitions; echo $disk`);
    return run.stdout.trim();
  };

  it('is_the_one_that_has_all_partitions', () => {
    addDisk('nvme0n1p', names.slice(0, 6));
    assert.equal(find(), 'none');
    addDisk('sdb', names);
    assert.equal(find(), 'sdb');
    for (const name of names) assert.match(readlinkSync(path(`dev/disk/by-partlabel/${name}`)), /^\/dev\/sdb\d$/);
  });

  it('is_of_two_the_one_that_the_boot_loader_counted_on', () => {
    addDisk('nvme0n1p', names, 'TWIN=9.330');
    addDisk('sdb', names, 'TWIN=9.230');
    assert.equal(find('9.230', ''), 'sdb');
    assert.equal(find('9.330', ''), 'nvme0n1p');
    assert.equal(find(''), 'none');
    assert.equal(find('8.230'), 'none');
  });

  it('is_known_by_its_state_when_nothing_was_counted', () => {
    addDisk('sda', names, 'TWIN=A.good.untried.330.4');
    addDisk('sdb', names, 'TWIN=A.good.untried.330.14');
    assert.equal(find('4.330', ''), 'sda');
  });

  it('is_not_chosen_between_two_that_are_alike', () => {
    addDisk('sda', names, 'TWIN=9.330');
    addDisk('sdb', names, 'TWIN=9.330');
    assert.equal(find('9.330'), 'none');
  });

  it('is_waited_for_while_another_is_there_already', () => {
    addDisk('sda', names, 'TWIN=9.330');
    assert.equal(find('9.230', ''), 'none');
    assert.equal(find('9.230', 'last'), 'sda');
  });
});

describe('board/build', () => {
  const make = (...words) => spawnSync(join(boards, 'build'), words, {
    encoding: 'utf8', timeout: 30000, cwd: path('tmp'), env: { ...process.env, PIXPOP_BOARD_OUT: path('run/out') },
  });
  const refused = (words, wanted) => {
    const run = make(...words);
    assert.equal(run.status, 1, `${words}: ${run.stdout}${run.stderr}`);
    assert.match(run.stderr, wanted, `${words}`);
    assert.ok(!existsSync(path('run/out')), `${words}: something was made`);
  };

  it('says_of_rpi5_that_it_can_not_be_built_and_what_is_missing', () => {
    refused(['rpi5'], /^board\/build: rpi5: there is no image for it yet: Debian 12's kernels have no drivers for its storage and network\./);
    const [, named] = make('rpi5').stderr.match(/A kernel of its vendor and a boot-loader interface for tryboot are needed: board\/(\S+)$/m);
    const missing = readFileSync(join(boards, named), 'utf8').match(/^\d\. \*\*/gm);
    assert.ok(missing.length >= 5, `${named} names ${missing.length} things`);
  });

  it('lists_the_boards_when_it_is_given_none_of_them', () => {
    const there = 'generic-x86_64 qemu-arm64 qemu-x86_64 rpi5';
    refused([], new RegExp(`^board/build: which board\\? There are: ${there}\n$`));
    for (const name of ['nonsense', 'shared']) refused([name], new RegExp(`^board/build: there is no board '${name}'; there are: ${there}\n$`));
    refused(['qemu-x86_64', 'qemu-arm64'], /one board at a time/);
  });

  it('refuses_wrong_options_before_it_makes_anything', () => {
    for (const [words, wanted] of [
      [['--colour'], /'--colour' is not understood; see board\/build --help/], [['--version'], /--version wants a value/],
      [['--version', '1.x'], /'1\.x' is no version such as/], [['--version', '1.2.3.4'], /is no version/], [['--version', '../1'], /is no version/],
      [['--version', '1.02'], /is no version/], [['--floor', 'none'], /'none' is no version/], [['--floor', ''], /'' is no version/], [['--key', '/nowhere/key.pem'], /key\.pem/], [['--trust', '/nowhere'], /nowhere/],
    ]) refused(['qemu-x86_64', ...words], wanted);
  });

  it('refuses_keys_and_programs_that_are_none', () => {
    write('tmp/wrong.key', 'no key\n');
    mkdirSync(path('tmp/empty'));
    for (const [words, wanted] of [
      [['--key', 'wrong.key'], /wrong\.key is no private key on a curve/], [['--trust', 'empty'], /there is no \*\.pem in .*empty/],
      [['--programs', 'empty'], /there is no pixpopd in .*empty\/bin \(--partial leaves it out\)/],
    ]) {
      const run = make('qemu-x86_64', ...words);
      assert.equal(run.status, 1, `${words}: ${run.stdout}${run.stderr}`);
      assert.match(run.stderr, wanted);
      assert.ok(!existsSync(path('run/out/qemu-x86_64/stage')));
    }
  });

  it('explains_every_option', () => {
    const run = make('--help');
    assert.equal(run.status, 0, run.stderr);
    const taken = [...new Set(readFileSync(join(boards, 'build'), 'utf8').match(/^ +--[a-z]+[^)]*\)/gm).flatMap((line) => line.match(/--[a-z-]+/g)))];
    assert.ok(taken.length >= 10, `${taken}`);
    for (const option of taken.filter((one) => one !== '--help')) assert.match(run.stdout, new RegExp(`^  ${option}\\b`, 'm'));
    assert.match(run.stdout, /same bytes.*PIXPOP_BOARD_OUT/s);
  });
});
