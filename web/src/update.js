// An update of an appliance by a bundle: sent, written as it comes, read back, and started by a restart.
import { Problem, sendFile } from './api.js';
import { bytesText, element } from './format.js';
import { makeSpeed } from './speed.js';

const busyPhases = ['reading', 'writing', 'checking'];

export const isInstalling = (system) => busyPhases.includes(system.phase);

// onBegun(), onEnded(): the system's status is worth another look. Returns {node, show(system), isSending()}.
export function updatePart({ onBegun, onEnded, onProblem }) {
  const speed = makeSpeed();
  const file = element('input', { type: 'file', accept: '.pixpop', required: '' });
  const older = element('input', { type: 'checkbox' });
  const install = element('button', { type: 'submit' }, 'Install');
  const cancel = element('button', { type: 'button', class: 'quiet', hidden: '', onclick: () => transfer?.cancel() }, 'Cancel');
  const bar = element('progress', { max: '1', value: '0', 'aria-label': 'Update', hidden: '' });
  const note = element('p', { role: 'status' });
  const error = element('p', { class: 'error', role: 'alert' });
  const form = element('form', { 'aria-label': 'Update', class: 'fields', onsubmit: submit },
    element('label', {}, 'Update file (.pixpop)', file),
    element('label', { class: 'check' }, older, 'Also when it is older than what runs'),
    element('p', { class: 'actions' }, install, cancel));
  const node = element('div', {}, form, bar, note, error);
  let transfer = null;
  let sent = 0;
  let total = 0;
  let last = null;

  // Sending and writing are one step: the box writes what it gets, and takes no more than it can write.
  function showProgress() {
    const phase = last?.phase;
    const isBusy = transfer !== null || (last && isInstalling(last));
    bar.hidden = !isBusy;
    install.disabled = isBusy;
    file.disabled = isBusy;
    older.disabled = isBusy;
    cancel.hidden = !transfer || sent >= total;
    if (!isBusy) return;
    const version = last?.installing && isInstalling(last) ? ` ${last.installing}` : '';
    if (phase === 'checking') {
      bar.value = last.done / Math.max(last.total, 1);
      note.textContent = `Checking${version} as it was written: ${bytesText(last.done)} of ${bytesText(last.total)}`;
    } else if (transfer && sent < total) {
      bar.value = sent / Math.max(total, 1);
      const rate = speed.perSecond();
      note.textContent = `Sending and writing${version}: ${bytesText(sent)} of ${bytesText(total)}${rate > 0 ? ` · ${bytesText(rate)}/s` : ''}`;
    } else if (phase === 'writing') {
      bar.value = last.done / Math.max(last.total, 1);
      note.textContent = `Writing${version}: ${bytesText(last.done)} of ${bytesText(last.total)}`;
    } else {
      bar.removeAttribute('value');
      note.textContent = 'The box looks at the update';
    }
  }

  function showEnd() {
    if (transfer || !last || isInstalling(last)) return;
    if (last.phase === 'done') note.textContent = `${last.installing} is installed${last.is_reboot_needed ? ' and starts with the next restart' : ''}.`;
    else note.textContent = '';
    if (last.phase === 'failed' && !error.textContent) error.textContent = `The last update failed: ${last.failure}`;
  }

  // What is not whole on the box when the page goes is lost.
  const warn = (event) => { if (sent < total) event.preventDefault(); };

  async function submit(event) {
    event.preventDefault();
    const [bundle] = file.files;
    if (!bundle || transfer) return;
    error.textContent = '';
    speed.reset();
    sent = 0;
    total = bundle.size;
    transfer = sendFile(`/api/v1/system/update${older.checked ? '?older=1' : ''}`, bundle, (loaded) => {
      sent = loaded;
      speed.add(loaded);
      showProgress();
    });
    showProgress();
    window.addEventListener('beforeunload', warn);
    onBegun();
    let failure = null;
    try {
      await transfer.done;
      form.reset();
    } catch (problem) {
      failure = problem instanceof Problem ? problem : new Problem(0, { detail: String(problem) });
    }
    transfer = null;
    window.removeEventListener('beforeunload', warn);
    await onEnded();
    if (failure?.status === 401) onProblem(failure);
    if (!failure) return;
    // Of the box's own disks a reply says nothing; its status does.
    error.textContent = failure.status >= 500 && last?.failure ? `The update failed: ${last.failure}` : failure.message;
  }

  return {
    node,
    isSending: () => transfer !== null,
    show(system) {
      last = system;
      showProgress();
      showEnd();
    },
  };
}
