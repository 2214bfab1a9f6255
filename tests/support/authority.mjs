// A certificate authority of a test's own, with an intermediate one, by openssl.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

function openssl(...args) {
  const outcome = spawnSync('openssl', args, { encoding: 'utf8' });
  if (outcome.status !== 0) throw new Error(`openssl ${args.join(' ')}: ${outcome.stderr}`);
  return outcome.stdout;
}

export class Authority {
  constructor(folder) {
    this.folder = folder;
    this.key('root');
    openssl('req', '-x509', '-new', '-key', this.at('root.key'), '-subj', '/CN=Test authority', '-days', '90',
      '-addext', 'keyUsage=critical,keyCertSign', '-out', this.at('root.pem'));
    this.certificate('inter', { by: 'root', subject: 'Test intermediate', extensions: 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' });
  }

  at(name) { return join(this.folder, name); }
  text(...names) { return names.map((name) => readFileSync(this.at(name), 'utf8')).join(''); }
  key(name, ...kind) {
    openssl('genpkey', ...(kind.length > 0 ? kind : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']), '-out', this.at(`${name}.key`));
  }

  // NAME.pem, with NAME.key when there is none yet; valid for so many days, of which some may be over already.
  certificate(name, { by = 'inter', subject = name, san, days = 60, over = 0, extensions = `subjectAltName=${san}\n`, kind = [] } = {}) {
    const [key, request, list] = ['key', 'csr', 'ext'].map((end) => this.at(`${name}.${end}`));
    const dayOf = (number) => new Date(Date.now() + number * 86400e3).toISOString().replace(/\.\d+|[^\dZ]/g, '');
    this.key(name, ...kind);
    writeFileSync(list, extensions);
    writeFileSync(this.at('ca.conf'), `[ca]\ndefault_ca=a\n[a]\ndatabase=${this.at('issued')}\nnew_certs_dir=${this.folder}\nrand_serial=yes\ndefault_md=sha256\nunique_subject=no\npolicy=p\n[p]\ncommonName=supplied\n`);
    writeFileSync(this.at('issued'), '');
    openssl('req', '-new', '-key', key, '-subj', `/CN=${subject}`, '-out', request);
    openssl('ca', '-batch', '-notext', '-config', this.at('ca.conf'), '-in', request, '-cert', this.at(`${by}.pem`), '-keyfile', this.at(`${by}.key`),
      '-startdate', dayOf(-over), '-enddate', dayOf(days - over), '-extfile', list, '-out', this.at(`${name}.pem`));
  }

  // The fingerprint of NAME.pem as certificates are known by, "AB:CD:...".
  fingerprint(name) {
    return openssl('x509', '-in', this.at(`${name}.pem`), '-noout', '-fingerprint', '-sha256').trim().split('=')[1];
  }
}
