// The card "Backup and support": what the box holds as one file, the way back, and what a supporter wants to see.
import { sendFile } from './api.js';
import { bytesText, countText, element } from './format.js';

// What came of a restore, as the box tells it.
function reportView(report) {
  const notes = [];
  if (report.settings !== 'none') notes.push(`The settings were ${report.settings}${report.settings_text ? `: ${report.settings_text}` : ''}.`);
  if (report.network !== 'none') notes.push(`The network's settings were ${report.network}: ${report.network_text}.`);
  if (report.prewarm_lists > 0) notes.push(`${countText(report.prewarm_lists, 'list')} of variants to be made ${report.prewarm_lists === 1 ? 'was' : 'were'} set.`);
  if (report.unknown_tenants.length > 0) notes.push(`The settings know no tenant ${report.unknown_tenants.join(', ')}: nothing of theirs is delivered.`);
  if (report.unknown_files > 0) notes.push(`${countText(report.unknown_files, 'file')} in it ${report.unknown_files === 1 ? 'is' : 'are'} unknown here and ${report.unknown_files === 1 ? 'was' : 'were'} passed over.`);
  const more = report.refused - report.refusals.length;
  return [
    element('p', {}, `${countText(report.new, 'original')} came back, ${report.present.toLocaleString('en')} were here already, ${report.refused.toLocaleString('en')} were refused.`),
    ...notes.map((note) => element('p', { class: 'hint' }, note)),
    element('ul', {}, ...report.refusals.map(({ id, name, reason }) => element('li', {}, element('strong', {}, name || id.slice(0, 10)), ` ${reason}`))),
    more > 0 && report.refusals.length > 0 ? element('p', { class: 'hint' }, `and ${more} more`) : '',
  ];
}

// Calls onRestored when originals have come. Returns {node}.
export function upkeepCard({ onRestored, onProblem }) {
  const file = element('input', { type: 'file', accept: '.tar', required: '' });
  const network = element('input', { type: 'checkbox' });
  const button = element('button', { type: 'submit' }, 'Restore');
  const bar = element('progress', { max: '1', value: '0', 'aria-label': 'Restore', hidden: '' });
  const note = element('p', { role: 'status' });
  const error = element('p', { class: 'error', role: 'alert' });
  const report = element('div', { 'aria-label': 'What came of it', role: 'group', hidden: '' });
  const form = element('form', { 'aria-label': 'Restore', class: 'fields', onsubmit: submit },
    element('label', {}, 'Backup file (.tar)', file),
    element('label', { class: 'check' }, network, ' The network settings of an appliance too: the box may be at another address afterwards'), element('p', { class: 'actions' }, button));
  const node = element('details', { class: 'card fold upkeep', 'aria-label': 'Backup and support' },
    element('summary', {}, element('h2', {}, 'Backup and support')),
    element('h3', {}, 'Backup'),
    element('p', { class: 'hint' }, 'The originals as they were uploaded, their names and tags, and the settings, secrets and all: keep it as safe as the box. Variants are made anew.'),
    element('p', { class: 'actions' }, element('a', { class: 'button', href: '/api/v1/backup', download: '' }, 'Download a backup')),
    element('h3', {}, 'Restore'),
    element('p', { class: 'hint' }, 'Adds the originals of a backup to those that are here; nothing is deleted. Its settings may replace those of this box.'), form, bar, note, error, report,
    element('h3', {}, 'Support bundle'),
    element('p', { class: 'hint' }, 'Status, metrics, the ends of the logs and the settings without their secrets, for whoever helps you. No pictures.'),
    element('p', { class: 'actions' }, element('a', { class: 'button quiet', href: '/api/v1/support', download: '' }, 'Download a support bundle')));

  function showReport(result) {
    report.replaceChildren(...reportView(result));
    report.hidden = false;
    if (result.new > 0) onRestored();
  }

  async function submit(event) {
    event.preventDefault();
    const [backup] = file.files;
    if (!backup) return;
    error.textContent = '';
    note.textContent = '';
    report.hidden = true;
    button.disabled = true;
    bar.hidden = false;
    bar.value = 0;
    try {
      const result = await sendFile(`/api/v1/restore${network.checked ? '?network=replace' : ''}`, backup, (sent, total) => {
        bar.value = sent / Math.max(total, 1);
        note.textContent = sent < total ? `${bytesText(sent)} of ${bytesText(total)}` : 'The box takes what is in it';
      }).done;
      form.reset();
      note.textContent = 'Restored.';
      showReport(result);
    } catch (problem) {
      note.textContent = '';
      error.textContent = problem.message;
      if (problem.restore?.new + problem.restore?.present + problem.restore?.refused > 0) showReport(problem.restore);
      if (problem.status === 401) onProblem(problem);
    }
    button.disabled = false;
    bar.hidden = true;
  }

  return { node };
}
