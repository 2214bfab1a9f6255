// The card "Certificate": what visitors see who fetch pictures over HTTPS, and how the operator's own gets there.
import { getCertificate, removeCertificate, setCertificate } from './api.js';
import { element } from './format.js';

const sourceTexts = { 'self-made': 'made by the box', given: 'your own', settings: 'named by the settings' };

const mostNames = 10;  // that are shown

const row = (name, ...content) => element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, ...content));
const dayText = (seconds) => new Date(seconds * 1000).toLocaleDateString('en', { day: 'numeric', month: 'long', year: 'numeric' });
// The last second of the year 9999 is no end (RFC 5280 4.1.2.5).
const isEndless = ({ not_after_s: end }) => end >= 253402300799;
const endText = (one) => (isEndless(one) ? 'no end' : `${dayText(one.not_after_s)}, ${one.days_left.toLocaleString('en')} ${one.days_left === 1 ? 'day' : 'days'} left`);

function namesText({ names, more_names: more }) {
  const left = Math.max(names.length - mostNames, 0) + more;
  return [...names.slice(0, mostNames), ...(left > 0 ? [`and ${left} more`] : [])].join(', ');
}

// Returns {node, show(the certificate of a status)}.
export function certificateCard({ onProblem }) {
  let plain = '', alert;
  const badge = element('span', { class: 'badge' });
  const line = element('span', {});
  const warnings = element('ul', { 'aria-label': 'Warnings', class: 'warnings' });
  const about = element('table', { class: 'report' });
  const chain = element('input', { type: 'file', multiple: '', required: '', accept: '.pem,.crt,.cer,.txt,application/x-pem-file' });
  const key = element('input', { type: 'file', accept: '.pem,.key,.txt,application/x-pem-file' });
  const install = element('button', { type: 'submit' }, 'Install');
  const remove = element('button', { class: 'quiet', type: 'button', hidden: '', onclick: askAndRemove }, 'Remove');
  const note = element('p', { class: 'hint', role: 'status' });
  const error = element('p', { class: 'error', role: 'alert' });
  const form = element('form', { 'aria-label': 'Certificate', class: 'fields', hidden: '', onsubmit: submit },
    element('label', {}, 'Certificate and its chain (fullchain.pem)', chain),
    element('label', {}, 'Private key (privkey.pem), if not in there', key),
    element('p', { class: 'actions' }, install, remove));
  const fixed = element('p', { class: 'hint', hidden: '' }, 'Its file is named by the settings (delivery.tls_certificate): replace it there.');
  const node = element('details', { class: 'card fold certificate', 'aria-label': 'Certificate', ontoggle: opened },
    element('summary', {}, element('h2', {}, 'Certificate'), badge, line),
    element('p', { class: 'hint' }, 'What visitors see who fetch pictures over HTTPS. A new one counts at once. This page keeps the box’s own certificate, whatever happens here.'),
    warnings, about, form, fixed, note, error);

  function show(short) {
    const [first] = short.warnings;
    plain = short.source === 'self-made' ? 'browsers warn of it' : isEndless(short) ? 'without an end' : `valid until ${dayText(short.not_after_s)}`;
    alert = first;
    badge.textContent = sourceTexts[short.source] ?? short.source;
    badge.className = `badge ${first ? 'alert' : short.source === 'self-made' ? '' : 'good'}`;
    showLine();
    warnings.replaceChildren(...short.warnings.map((text) => element('li', {}, text)));
    warnings.hidden = !first;
  }

  // Open, the card has the warnings in a list.
  function showLine() {
    line.textContent = node.open ? plain : alert ?? plain;
  }

  function showAll({ delivery }) {
    show(delivery);
    about.replaceChildren(
      row('Names', namesText(delivery)),
      row('Valid until', endText(delivery)),
      row('Issuer', delivery.source === 'self-made' ? 'the box itself' : delivery.is_self_signed ? `itself (${delivery.issuer})` : delivery.issuer),
      row('Key', delivery.key),
      row('Fingerprint', element('code', {}, delivery.fingerprint)));
    form.hidden = !delivery.is_replaceable;
    fixed.hidden = delivery.is_replaceable;
    remove.hidden = delivery.source !== 'given';
  }

  function fail(problem, text) {
    error.textContent = text;
    if (problem.status === 401) onProblem(problem);
  }

  async function opened() {
    showLine();
    if (!node.open) return;
    try {
      showAll(await getCertificate());
    } catch (problem) {
      fail(problem, problem.message);
    }
  }

  async function change(act, done) {
    error.textContent = '';
    note.textContent = '';
    install.disabled = remove.disabled = true;
    try {
      const answer = await act();
      showAll(answer);
      form.reset();
      note.textContent = answer.advice ? `${done} But ${answer.advice}.` : done;
    } catch (problem) {
      await explain(problem);
    }
    install.disabled = remove.disabled = false;
  }

  // A connection that breaks may have carried the whole request.
  async function explain(problem) {
    if (problem.status) return fail(problem, `Nothing was changed: ${problem.detail ?? problem.message}.`);
    const lost = 'The connection broke: it is not known whether that was done.';
    error.textContent = lost;
    try {
      showAll(await getCertificate());
      error.textContent = `${lost} Shown here is what visitors see now.`;
    } catch {
      error.textContent = `${lost} Open this card again to see.`;
    }
  }

  // As bytes: a file that is no text is for the box to tell.
  function submit(event) {
    event.preventDefault();
    const parts = [...chain.files, ...key.files].flatMap((file) => [file, '\n']);
    return change(() => setCertificate(new Blob(parts)), 'Installed: visitors see it from now on.');
  }

  function askAndRemove() {
    if (!window.confirm('Go back to a certificate that the box makes itself? Browsers warn of it.')) return;
    change(removeCertificate, 'Removed: the box has made one of its own.');
  }

  return { node, show };
}
