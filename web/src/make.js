// The form that makes variants of one original before anybody asks for them, with what has come of it so far.
import { makeVariants } from './api.js';
import { bytesText, element } from './format.js';
import { makeMark } from './mark.js';
import { fetchVariant } from './variants.js';
import { verifyVariant } from './verify.js';

const formats = { webp: 'WebP', avif: 'AVIF', jpeg: 'JPEG', png: 'PNG' };
const origins = { ram: 'was in memory', disk: 'was on disk', made: 'made' };

function field(label, control) {
  return element('label', {}, label, control);
}

// "320, 640 960" -> [320, 640, 960]; null for anything else.
function parseWidths(text) {
  const words = text.split(/[\s,]+/).filter(Boolean);
  return words.length > 0 && words.every((word) => /^[0-9]{1,5}$/.test(word)) ? words.map(Number) : null;
}

// Fetches what was made once more, from the console, and proves it.
function check(item, original, vkey, mark) {
  verifyVariant(`/i/${original.id}?${item.recipe}`, { vkey, recipe: item.recipe, fetch: fetchVariant })
    .then(mark.show, () => mark.button.remove());
}

function resultRow(item, widths, mark) {
  if (item.error) {
    return element('li', {}, element('span', {}, `${widths[item.index]} px`),
      element('span', { class: 'error' }, [item.error.title, item.error.detail].filter(Boolean).join(': ')));
  }
  return element('li', {},
    element('a', { href: item.url, target: '_blank', rel: 'noreferrer' }, `${item.width} × ${item.height}`),
    element('span', { class: 'size' }, `${formats[item.media_type.split('/')[1]]}, ${bytesText(item.bytes)}`),
    element('span', { class: 'hint' }, `${origins[item.source]}, ${item.ms} ms`), mark.button);
}

// `vkey` as in originalCard. onMade: variants were made.
export function makeForm(original, name, proposedWidths, { vkey, onMade }) {
  const widthsInput = element('input', { name: 'widths', value: proposedWidths.join(', '), required: '', inputmode: 'numeric', autocomplete: 'off' });
  const formatInput = element('select', { name: 'fm' },
    ...Object.entries(formats).map(([value, label]) => element('option', { value }, label)));
  const qualityInput = element('input', { name: 'q', type: 'number', min: '1', max: '100', value: '80', required: '' });
  const button = element('button', { type: 'submit' }, 'Make');
  const bar = element('progress', { max: '1', value: '0', 'aria-label': `Variants of ${name}`, hidden: '' });
  const note = element('p', { class: 'hint', role: 'status' });
  const error = element('p', { class: 'error', role: 'alert' });
  const results = element('ul', { class: 'made', 'aria-label': `Variants made of ${name}` });
  const checked = element('div', { class: 'checked', role: 'region', 'aria-label': `What was checked of what was made of ${name}`, hidden: '' });

  async function run(widths) {
    let ready = 0;
    bar.max = widths.length;
    bar.value = 0;
    bar.hidden = false;
    results.replaceChildren();
    checked.hidden = true;
    note.textContent = `0 of ${widths.length}`;
    const recipe = formatInput.value === 'png' ? 'fm=png' : `fm=${formatInput.value}&q=${qualityInput.value}`;
    const counts = await makeVariants(original.id, { widths, recipe }, (item) => {
      ready += 1;
      bar.value = ready;
      note.textContent = `${ready} of ${widths.length}`;
      const mark = makeMark(`${item.width} × ${item.height} ${item.media_type?.split('/')[1]}`, name, checked);
      results.append(resultRow(item, widths, mark));
      if (!item.error) check(item, original, vkey, mark);
    });
    const failed = counts.failed > 0 ? `, ${counts.failed} failed` : '';
    note.textContent = `${counts.done} of ${widths.length} are there${failed} (${(counts.ms / 1000).toFixed(1)} s)`;
  }

  async function submit(event) {
    event.preventDefault();
    error.textContent = '';
    const widths = parseWidths(widthsInput.value);
    widthsInput.setAttribute('aria-invalid', String(widths === null));
    if (widths === null) {
      error.textContent = 'Widths are whole numbers, such as 320, 640, 960';
      widthsInput.focus();
      return;
    }
    button.disabled = true;
    try {
      await run(widths);
      onMade();
    } catch (problem) {
      note.textContent = '';
      error.textContent = problem.message;
    }
    bar.hidden = true;
    button.disabled = false;
  }

  // PNG is lossless: there is no quality to choose.
  formatInput.addEventListener('change', () => { qualityInput.disabled = formatInput.value === 'png'; });
  return element('details', { class: 'make' },
    element('summary', {}, 'Make variants'),
    element('form', { onsubmit: submit, 'aria-label': `Make variants of ${name}` },
      field('Widths in pixels', widthsInput), field('Format', formatInput), field('Quality', qualityInput), button),
    bar, note, error, results, checked);
}
