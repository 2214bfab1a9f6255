// The card "Integrity": the ledger that the box signs, and the scrubber that walks everything on its disk.
import { getOriginal, getStatus, startScrub } from './api.js';
import { copyText } from './clipboard.js';
import { agoText, bytesText, countText, element } from './format.js';
import { trust, trustedKey } from './trust.js';

const pollMs = 1000;
const noTrouble = 'false,false,0';

function row(name, ...content) {
  return element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, ...content));
}

function growthText({ derives, appended_bytes: bytes }) {
  return derives > 0 ? `, ${bytesText(bytes / derives * 1e6)} per million renders` : '';
}

function ledgerRows(ledger, nowS) {
  const key = element('code', { class: 'vkey', 'aria-label': 'Verifier key' }, ledger.vkey);
  const copy = element('button', { class: 'quiet small', type: 'button', onclick: () => copyText(copy, ledger.vkey) }, 'Copy the key');
  const checkpoint = ledger.signed_s
    ? `${agoText(nowS - ledger.signed_s)}, over ${countText(ledger.signed_size, 'entry', 'entries')}` : 'none yet';
  const pruned = ledger.first > 0 ? ` (those before ${ledger.first.toLocaleString('en')} were compacted away)` : '';
  return [
    row('Name', ledger.origin),
    row('Verifier key', key, ' ', copy),
    row('Entries', `${ledger.size.toLocaleString('en')}${pruned}`),
    row('Last checkpoint', checkpoint),
    row('On the disk', `${bytesText(ledger.disk_bytes)}${growthText(ledger)}`),
  ];
}

// A box with another key than this browser saw before: nobody but its owner knows whether that is right.
const isForeign = (ledger) => ledger.state !== 'off' && Boolean(ledger.vkey) && trustedKey(ledger.vkey) !== ledger.vkey;

function keyAlert(ledger, onTrusted) {
  if (!isForeign(ledger)) return [];
  const accept = () => {
    trust(ledger.vkey);
    onTrusted();
  };
  return [element('div', { class: 'key-alert', role: 'alert' },
    element('p', {}, 'The ledger has another key than when this browser saw it first. That is right only if somebody began a new ' +
      'ledger on this box (pixpopd --new-ledger). Until you say so, variants are checked with the key from before:'),
    element('code', { class: 'vkey' }, trustedKey(ledger.vkey)),
    element('p', { class: 'actions' }, element('button', { class: 'small', type: 'button', onclick: accept }, 'Trust the new key')))];
}

// The box's reasons begin in lower case, as its log does.
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

function ledgerView(ledger, nowS, onTrusted) {
  if (ledger.state === 'off') {
    return [element('p', { class: 'hint' }, 'The ledger is off (ledger.on in the configuration): there are no proofs, and of variants nothing but the digest is checked here.')];
  }
  const halted = ledger.reason ? [element('p', { class: 'error', role: 'alert' }, sentence(ledger.reason))] : [];
  return [...halted, ...keyAlert(ledger, onTrusted), element('table', { class: 'report' }, ...(ledger.vkey ? ledgerRows(ledger, nowS) : []))];
}

function scrubText(scrub, nowS) {
  if (!scrub.on) return 'no checks in the background';
  if (scrub.is_walking) {
    return `checking ${scrub.round_objects.toLocaleString('en')} of about ${countText(scrub.total_objects, 'object')} (${bytesText(scrub.round_bytes)})`;
  }
  return scrub.last_round_s ? `everything was checked ${agoText(nowS - scrub.last_round_s)}` : 'nothing has been checked yet';
}

function mendedText(scrub) {
  const parts = [[scrub.damaged_variants, 'variant'], [scrub.damaged_levels, 'level']].filter(([count]) => count > 0);
  return parts.length > 0 ? `${parts.map(([count, one]) => `${countText(count, one)} dropped`).join(', ')} since the start; they are made anew` : '';
}

async function nameOf(id) {
  const original = await getOriginal(id).catch(() => null);
  return original?.metadata?.name || id.slice(0, 10);
}

// Calls onTrusted when a new key was accepted. Returns {node, show(status), close()}.
export function integrityCard({ onTrusted, onProblem }) {
  const badge = element('span', { class: 'badge' });
  const ledgerPart = element('div', {});
  const scrubLine = element('span', { role: 'status' });
  const bar = element('progress', { max: '1', value: '0', 'aria-label': 'Check of everything', hidden: '' });
  const mended = element('p', { class: 'hint' });
  const damaged = element('div', {});
  const off = element('p', { class: 'hint' }, 'Damage is noticed when something is read; nothing is read just to look for it (scrub.on in the configuration).');
  const button = element('button', { class: 'quiet', type: 'button', onclick: run }, 'Check everything now');
  const summary = element('summary', {}, element('h2', {}, 'Integrity'), badge, scrubLine);
  const node = element('details', { class: 'card fold integrity', 'aria-label': 'Integrity' }, summary,
    element('h3', {}, 'Ledger'), ledgerPart,
    element('h3', {}, 'Bytes on the disk'), off, bar, mended, element('p', { class: 'actions' }, button), damaged);
  const names = new Map();
  let timer = 0;
  let isOpen = true;
  let shownLedger = '';
  let shownTrouble = noTrouble;

  async function showDamaged(scrub) {
    const list = scrub.damaged ?? [];
    for (const { id } of list) if (!names.has(id)) names.set(id, await nameOf(id));
    const more = scrub.damaged_count - list.length;
    damaged.replaceChildren(...(list.length === 0 ? [] : [element('div', { role: 'alert' },
      element('p', { class: 'error' }, scrub.damaged_count === 1
        ? '1 original is damaged on the disk. It is not served, and no new variants are made of it. Upload the same file again to mend it:'
        : `${countText(scrub.damaged_count, 'original')} are damaged on the disk. They are not served, and no new variants are made of them. ` +
          'Upload the same files again to mend them:'),
      element('ul', {}, ...list.map(({ id, found_s: foundS }) =>
        element('li', {}, element('strong', {}, names.get(id)), ' ', element('span', { class: 'hint' }, `found ${new Date(foundS * 1000).toLocaleString()}`),
          ' ', element('code', { class: 'id' }, id)))),
      more > 0 ? element('p', { class: 'hint' }, `and ${more} more`) : '')]));
  }

  function showScrub(scrub, nowS) {
    const count = scrub.damaged_count ?? 0;
    bar.hidden = !scrub.is_walking;
    bar.value = scrub.is_walking ? Math.min(1, scrub.round_objects / Math.max(scrub.total_objects, 1)) : 0;
    button.disabled = scrub.is_walking;
    button.hidden = !scrub.on;
    off.hidden = scrub.on;
    scrubLine.textContent = scrubText(scrub, nowS) + (count > 0 ? `; ${countText(count, 'original')} damaged` : '');
    scrubLine.classList.toggle('error', count > 0);
    mended.textContent = mendedText(scrub);
    clearTimeout(timer);
    if (scrub.is_walking && isOpen) timer = setTimeout(refresh, pollMs);
    return showDamaged(scrub);
  }

  function show(status) {
    const { ledger, scrub, now_s: nowS } = status;
    badge.textContent = `ledger ${ledger.state}`;
    badge.className = `badge ${ledger.state}`;
    // What needs a person opens the card, once.
    const trouble = [ledger.state === 'halted', isForeign(ledger), scrub.damaged_count ?? 0].join();
    if (trouble !== shownTrouble && trouble !== noTrouble) node.open = true;
    shownTrouble = trouble;
    // Rewritten only when something changed: text that is being selected stays.
    const next = JSON.stringify([ledger, Math.floor(nowS / 10)]);
    if (next !== shownLedger) ledgerPart.replaceChildren(...ledgerView(ledger, nowS, () => { shownLedger = ''; onTrusted(); }));
    shownLedger = next;
    return showScrub(scrub, nowS);
  }

  function refresh() {
    return getStatus().then(show).catch(onProblem);
  }

  async function run() {
    button.disabled = true;
    try {
      await startScrub();
    } catch (problem) {
      button.disabled = false;
      onProblem(problem);
      return;
    }
    await refresh();
  }

  return {
    node,
    show,
    close() {
      isOpen = false;
      clearTimeout(timer);
    },
  };
}
