// The page: log in, drop photos, see each original with its variants.
import { getStatus, listOriginals, logIn, logOut, resumeSession } from './api.js';
import { certificateCard } from './certificate.js';
import { claimCard } from './claim.js';
import { bytesText, countText } from './format.js';
import { integrityCard } from './integrity.js';
import { originalCard } from './original.js';
import { systemCard } from './system.js';
import { trustedKey } from './trust.js';
import { upkeepCard } from './upkeep.js';
import { startUploads } from './uploads.js';

const at = (id) => document.getElementById(id);
let deliveryUrl = '';
let vkey = null;
let nextPage = null;
let integrity = null;
let system = null;
let certificate = null;

// Only an appliance has a system program; with one it does not go away.
function showSystem(status) {
  if (!status.is_appliance || system) return;
  system = systemCard({ hostName: status.host_name, fingerprint: status.fingerprint, onProblem: explain });
  at('system').replaceChildren(system.node);
  system.refresh();
}

// Only delivery over TLS has one.
function showCertificate(status) {
  if (!status.certificate) return;
  if (!certificate) {
    certificate = certificateCard({ onProblem: explain });
    at('certificate').replaceChildren(certificate.node);
  }
  certificate.show(status.certificate);
}

async function showStatus() {
  const status = await getStatus();
  deliveryUrl = status.delivery_url || location.origin;
  vkey = status.ledger.state !== 'off' && status.ledger.vkey ? trustedKey(status.ledger.vkey) : null;
  showSystem(status);
  showCertificate(status);
  await integrity?.show(status);
  at('box-line').textContent =
    `${countText(status.store.originals, 'original')} (${bytesText(status.store.original_bytes)}), ` +
    `${countText(status.store.variants, 'variant')} (${bytesText(status.store.variant_bytes)}) · ${status.device}`;
}

function addOriginal(original, first) {
  const old = document.querySelector(`[data-id="${CSS.escape(original.id)}"]`);
  old?.remove();
  const card = originalCard(original, { deliveryUrl, vkey, onChanged: refreshNotes });
  if (first) at('originals').prepend(card);
  else at('originals').append(card);
  refreshNotes();
}

// A session that has ended leads back to the log-in; everything else is said in the header.
function explain(problem) {
  if (problem.status === 401) {
    leave();
    at('log-in-error').textContent = problem.hasRestarted ? 'The box has restarted. Log in again.' : 'The session has ended. Log in again.';
    // After a factory reset it is a new box.
    resumeSession().then(({ needs_claim: isNew }) => isNew && begin()).catch(() => {});
  } else {
    at('box-line').textContent = problem.message;
  }
}

function refreshNotes() {
  at('empty').hidden = at('originals').childElementCount > 0;
  showStatus().catch(explain);
}

async function showMore() {
  const page = await listOriginals(nextPage);
  for (const original of page.items) addOriginal(original, false);
  nextPage = page.next ?? null;
  at('more').hidden = !nextPage;
  refreshNotes();
}

async function enter() {
  at('claim').replaceChildren();
  at('log-in').hidden = true;
  at('workspace').hidden = false;
  at('log-out').hidden = false;
  uploads.logIn();
  integrity = integrityCard({ onTrusted: () => reload().catch(explain), onProblem: explain });
  at('integrity').replaceChildren(integrity.node);
  at('upkeep').replaceChildren(upkeepCard({ onRestored: () => reload().catch(explain), onProblem: explain }).node);
  await showStatus();
  await showMore();
}

// Shows all originals anew, checked with what is trusted now.
async function reload() {
  nextPage = null;
  at('originals').replaceChildren();
  await showStatus();
  await showMore();
}

function leave() {
  nextPage = null;
  integrity?.close();
  integrity = null;
  system?.close();
  system = null;
  certificate = null;
  for (const id of ['claim', 'system', 'integrity', 'certificate', 'upkeep']) at(id).replaceChildren();
  at('originals').replaceChildren();
  at('workspace').hidden = true;
  at('log-out').hidden = true;
  at('box-line').textContent = '';
  at('log-in').hidden = false;
  at('token').focus();
}

at('log-in').addEventListener('submit', async (event) => {
  event.preventDefault();
  at('log-in-error').textContent = '';
  try {
    await logIn(at('token').value.trim());
    at('token').value = '';
    await enter();
  } catch (problem) {
    at('log-in-error').textContent = problem.message;
  }
});

at('log-out').addEventListener('click', async () => {
  await logOut().catch(() => {});
  leave();
});
at('more').addEventListener('click', () => showMore().catch(explain));

const uploads = startUploads({
  zone: at('drop'), input: at('files'), list: at('uploads'), unfinished: at('unfinished'),
  onStored: (original) => addOriginal(original, true),
  onLockedOut: () => explain({ status: 401 }),
});

function begin() {
  at('log-in').hidden = true;
  const card = claimCard({
    onEntered: () => enter().catch(explain),
    onClaimed: (problem) => {
      leave();
      at('log-in-error').textContent = problem.message;
    },
  });
  at('claim').replaceChildren(card.node);
  card.focus();
}

resumeSession().then(({ authenticated, needs_claim: isNew }) => (authenticated ? enter() : isNew ? begin() : leave())).catch((problem) => {
  leave();
  at('log-in-error').textContent = problem.message;
});
