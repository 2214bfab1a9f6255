// One original as a card: preview, facts, its variants at a few widths with their sizes, and a srcset to copy.
import { deleteOriginal, getPublicUrl } from './api.js';
import { copyText } from './clipboard.js';
import { bytesText, element } from './format.js';
import { inspection } from './inspection.js';
import { makeForm } from './make.js';
import { makeMark } from './mark.js';
import { fetchVariant } from './variants.js';
import { verifyVariant } from './verify.js';

const ladder = [320, 640, 960, 1280, 1920];

function uprightSize(original) {
  return original.orientation >= 5
    ? { width: original.height, height: original.width }
    : { width: original.width, height: original.height };
}

function widthsFor(width) {
  const fitting = ladder.filter((step) => step <= width);
  return fitting.length > 0 ? fitting : [width];
}

// In the order of a canonical recipe, so that a proof can be held against it.
const query = (width) => `dpr=1&fm=webp&q=80&w=${width}`;

const srcsetOf = (links) => links.map(({ url, width }) => `${url} ${width}w`).join(',\n');

// Where the box's policy asks for a signature, the links get one.
async function signLinks(original, links) {
  let isRefused = false;
  await Promise.all(links.map(async (link) => {
    const { url, signed_url: signed, needs_signature: isNeeded } = await getPublicUrl(original.id, query(link.width));
    link.url = url;
    isRefused ||= isNeeded && !signed;
  }));
  if (isRefused) throw new Error('The policy refuses some of these URLs unsigned, and the box has no sign_keys to sign them with.');
}

// Asks for one width, shows its size and proves its bytes; the first request makes the variant.
async function showVariant(cell, mark, original, width, vkey) {
  const started = performance.now();
  try {
    const result = await verifyVariant(`/i/${original.id}?${query(width)}`, { vkey, recipe: query(width), fetch: fetchVariant });
    const isHit = /; hit/.test(result.response.headers.get('Cache-Status') ?? '');
    cell.textContent = bytesText(result.blob.size);
    cell.title = `${result.blob.size} bytes, ${isHit ? 'from the cache' : 'made now'} in ${Math.round(performance.now() - started)} ms`;
    mark.show(result);
  } catch (error) {
    cell.textContent = error.message;
    cell.classList.add('error');
    mark.button.remove();
  }
}

function alertBadge(original) {
  const count = original.alerts ?? 0;
  if (count === 0) return [];
  return [element('p', { class: 'badge alert', title: 'The inspection found something to look at; see below' },
    `${count} alert${count === 1 ? '' : 's'}`)];
}

// vkey: of the ledger; null when there is none. onChanged: the store holds something else now.
export function originalCard(original, { deliveryUrl, vkey, onChanged }) {
  const { width, height } = uprightSize(original);
  const widths = widthsFor(width);
  const name = original.metadata?.name || original.id.slice(0, 10);
  const links = widths.map((step) => ({ width: step, url: `${deliveryUrl}/i/${original.id}?${query(step)}` }));
  const error = element('p', { class: 'error', role: 'alert' });

  const list = element('ul', { class: 'variants' });
  const checked = element('div', { class: 'checked', role: 'region', 'aria-label': `What was checked of ${name}`, hidden: '' });
  for (const link of links) {
    const size = element('span', { class: 'size' }, '…');
    link.anchor = element('a', { href: link.url, target: '_blank', rel: 'noreferrer' }, `${link.width} px`);
    const mark = makeMark(`${link.width} px`, name, checked);
    list.append(element('li', {}, link.anchor, size, mark.button));
    showVariant(size, mark, original, link.width, vkey);
  }
  const preview = element('a', { class: 'preview', href: links.at(-1).url, target: '_blank', rel: 'noreferrer' },
    element('img', { src: `/i/${original.id}?w=480&h=360&fit=cover&dpr=1&fm=webp&q=80`, alt: name, width: '240', height: '180', loading: 'lazy' }));

  const text = element('textarea', { readonly: '', rows: '3', spellcheck: 'false', 'aria-label': `srcset of ${name}` });
  text.value = srcsetOf(links);
  signLinks(original, links).catch((problem) => { error.textContent = problem.message; }).then(() => {
    for (const link of links) link.anchor.href = link.url;
    preview.href = links.at(-1).url;
    text.value = srcsetOf(links);
  });
  const remove = async (event) => {
    if (!window.confirm(`Delete ${name} and all its variants?`)) return;
    event.target.disabled = true;
    try {
      await deleteOriginal(original.id);
      card.remove();
      onChanged();
    } catch (problem) {
      error.textContent = problem.message;
      event.target.disabled = false;
    }
  };

  const card = element('article', { class: 'card original', 'data-id': original.id },
    preview,
    element('div', { class: 'facts' },
      element('h2', {}, name),
      ...alertBadge(original),
      element('p', { class: 'hint' }, `${width} × ${height} · ${original.format} · ${bytesText(original.bytes)}`),
      element('code', { class: 'id', title: 'SHA-256 of the file' }, original.id),
      list,
      checked,
      text,
      element('p', { class: 'actions' },
        element('button', { onclick: (event) => copyText(event.target, text.value) }, 'Copy srcset'),
        element('button', { class: 'quiet danger', onclick: remove }, 'Delete')),
      error,
      makeForm(original, name, widths, { vkey, onMade: onChanged }),
      inspection(original, name)));
  return card;
}
