// The drop zone and the queue of uploads: three at a time, each with a progress bar.
import { uploadFile } from './api.js';
import { bytesText, element } from './format.js';

const parallel = 3;

export function startUploads({ zone, input, list, onStored }) {
  const waiting = [];
  let running = 0;

  function next() {
    while (running < parallel && waiting.length > 0) {
      running += 1;
      run(waiting.shift()).finally(() => { running -= 1; next(); });
    }
  }

  async function run({ file, bar, note, row }) {
    note.textContent = 'sending';
    try {
      const original = await uploadFile(file, (share) => {
        bar.value = share;
        note.textContent = share < 1 ? `${Math.round(share * 100)} %` : 'checking';
      });
      bar.value = 1;
      note.textContent = 'stored';
      setTimeout(() => row.remove(), 4000);
      onStored(original);
    } catch (problem) {
      bar.remove();
      note.textContent = problem.message;
      note.classList.add('error');
    }
  }

  function add(files) {
    for (const file of files) {
      const bar = element('progress', { max: '1', value: '0', 'aria-label': `Upload of ${file.name}` });
      const note = element('span', { class: 'note' }, 'waiting');
      const row = element('li', {}, element('span', { class: 'name' }, `${file.name} (${bytesText(file.size)})`), bar, note);
      list.append(row);
      waiting.push({ file, bar, note, row });
    }
    next();
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
}
