// The drop zone and the queue of uploads: three at a time, each with a bar, its rate, and buttons to pause, go on and
// cancel. What a reload broke off is named, so that it can be chosen again and goes on where it was.
import { deleteUpload, listUploads } from './api.js';
import { bytesText, element, secondsText } from './format.js';
import { refusalText } from './rules.js';
import { makeSpeed } from './speed.js';
import { makeTransfer } from './transfer.js';
import { forget, stillUnfinished } from './unfinished.js';

const parallel = 3;

function progressText(speed, sent, total) {
  const rate = speed.perSecond();
  const amounts = `${bytesText(sent)} of ${bytesText(total)}`;
  return rate > 0 ? `${amounts} · ${bytesText(rate)}/s · ${secondsText((total - sent) / rate)} left` : amounts;
}

// One file: its row in the list and its transfer. States: waiting, sending, paused, locked-out, checking, failed;
// a stored one disappears. `onIdle`: it uses no lane any more.
function makeUpload(file, { onIdle, onWaiting, onStored, onLockedOut }) {
  const speed = makeSpeed();
  const bar = element('progress', { max: '1', value: '0', 'aria-label': `Upload of ${file.name}` });
  const note = element('span', { class: 'note', role: 'status' });
  const pauseButton = element('button', { class: 'quiet small', onclick: pause }, 'Pause');
  const resumeButton = element('button', { class: 'quiet small', onclick: resume }, 'Resume');
  const cancelButton = element('button', { class: 'quiet small danger', onclick: cancel }, 'Cancel');
  const name = element('span', { class: 'name', title: file.name }, `${file.name} (${bytesText(file.size)})`);
  const row = element('li', {}, name, bar, note, element('span', { class: 'buttons' }, pauseButton, resumeButton, cancelButton));
  let state = 'waiting';

  const transfer = makeTransfer(file, {
    onProgress(sent, total) {
      if (state !== 'sending') return;
      speed.add(sent);
      bar.value = sent / Math.max(total, 1);
      if (sent < total) note.textContent = progressText(speed, sent, total);
      else enter('checking', 'checking');
    },
    onResumed() { note.textContent = 'goes on where it was'; },
    onRetry() {
      speed.reset();
      enter('sending', 'The connection broke; trying again');
    },
    onStored(original) {
      enter('stored', 'stored');
      bar.value = 1;
      setTimeout(() => row.remove(), 4000);
      onIdle(upload);
      onStored(original);
    },
    onFailed(problem) {
      enter('failed', refusalText(problem));
      onIdle(upload);
    },
    onLockedOut(problem) {
      enter('locked-out', 'waits for the log-in');
      onIdle(upload);
      onLockedOut(problem);
    },
  });

  function enter(next, text) {
    state = next;
    row.dataset.state = next;
    note.textContent = text;
    note.classList.toggle('error', next === 'failed');
    bar.hidden = next === 'failed';
    pauseButton.hidden = !['waiting', 'sending'].includes(next);
    resumeButton.hidden = !['paused', 'failed'].includes(next);
    resumeButton.textContent = next === 'failed' ? 'Try again' : 'Resume';
    cancelButton.hidden = ['checking', 'stored'].includes(next);
    cancelButton.textContent = next === 'failed' ? 'Dismiss' : 'Cancel';
  }

  function pause() {
    transfer.pause();
    speed.reset();
    enter('paused', `paused at ${Math.floor(bar.value * 100)} %`);
    onIdle(upload);
  }

  function resume() {
    enter('waiting', 'waiting');
    onWaiting(upload);
  }

  function cancel() {
    const isThere = state !== 'failed';
    enter('cancelled', 'cancelled');
    onIdle(upload);
    row.remove();
    if (isThere) transfer.cancel();
  }

  const upload = {
    file,
    row,
    isWaiting: () => state === 'waiting',
    isLockedOut: () => state === 'locked-out',
    resume,
    start() {
      enter('sending', 'sending');
      transfer.start();
    },
  };
  enter('waiting', 'waiting');
  return upload;
}

function unfinishedRow({ url, name, size, offset }, onGone) {
  const row = element('li', {},
    element('span', { class: 'name' }, `${name}: ${bytesText(offset)} of ${bytesText(size)} are there`),
    element('button', { class: 'quiet small', onclick: drop }, 'Forget'));
  row.dataset.name = name;
  row.dataset.size = size;
  async function drop() {
    forget(url);
    row.remove();
    onGone();
    await deleteUpload(url).catch(() => {});
  }
  return row;
}

// onStored(original), onLockedOut(problem). Returns {logIn}, to be called when there is a session (again).
export function startUploads({ zone, input, list, unfinished, onStored, onLockedOut }) {
  const waiting = [];
  const running = new Set();
  const all = new Set();

  function next() {
    while (running.size < parallel && waiting.length > 0) {
      const upload = waiting.shift();
      if (!upload.isWaiting()) continue;
      running.add(upload);
      upload.start();
    }
  }

  const lane = {
    onStored,
    onLockedOut,
    onWaiting(upload) { waiting.push(upload); next(); },
    onIdle(upload) { running.delete(upload); next(); },
  };

  function hideEmptyList() {
    unfinished.hidden = unfinished.querySelector('li') === null;
  }

  function add(files) {
    for (const file of files) {
      const upload = makeUpload(file, lane);
      all.add(upload);
      list.append(upload.row);
      waiting.push(upload);
      for (const row of unfinished.querySelectorAll('li')) {
        if (row.dataset.name === file.name && row.dataset.size === String(file.size)) row.remove();
      }
    }
    hideEmptyList();
    next();
  }

  async function showUnfinished() {
    const known = await listUploads();
    const moving = new Set([...all].map(({ file }) => `${file.name}/${file.size}`));
    const left = stillUnfinished(known.items).filter(({ name, size }) => !moving.has(`${name}/${size}`));
    unfinished.replaceChildren(
      element('p', { class: 'hint' }, 'Broken off. Choose the same files again, and they go on where they were:'),
      element('ul', {}, ...left.map((one) => unfinishedRow(one, hideEmptyList))));
    hideEmptyList();
  }

  zone.addEventListener('click', () => input.click());
  zone.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); input.click(); }
  });
  input.addEventListener('click', (event) => event.stopPropagation());
  input.addEventListener('change', () => { add(input.files); input.value = ''; });
  for (const kind of ['dragenter', 'dragover']) {
    zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add('over'); });
  }
  zone.addEventListener('dragleave', () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    add(event.dataTransfer.files);
  });
  hideEmptyList();

  return {
    logIn() {
      for (const upload of all) if (upload.isLockedOut()) upload.resume();
      showUnfinished().catch(() => {});
    },
  };
}
