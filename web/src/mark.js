// The mark of a variant: whether its bytes were proven in this browser, and on demand what exactly was checked.
import { bytesText, element } from './format.js';

const looks = {
  verified: ['verified', '✓ verified'],
  failed: ['failed', '✗ does not fit'],
  unchecked: ['unchecked', '– not checked'],
};
const steps = {
  digest: 'The bytes have the digest that the reply names',
  signature: "The checkpoint is signed with the ledger's key",
  inclusion: 'The entry is in the tree of the checkpoint',
  commitment: 'The entry is about this proof',
  object: 'The proof is about these bytes',
  wish: 'They are the variant that was asked for',
  tree: 'The root over their blocks fits',
};

function explanation(result, label, name) {
  const rows = result.checks.map(({ name: step, text }) =>
    element('li', {}, `${steps[step]} `, element('span', { class: 'hint' }, `(${text})`)));
  const proofName = `${name.replaceAll(/[^\w.-]+/g, '-')}-${label.replaceAll(' ', '')}.tlog-proof`;
  return [
    element('strong', {}, `${label}, ${bytesText(result.blob.size)}: ${looks[result.state][0]}`),
    ...(result.reason ? [element('p', { class: result.state === 'failed' ? 'error' : 'hint' }, result.reason)] : []),
    element('ul', {}, ...rows),
    ...(result.proof ? [element('a', { href: result.proofUrl, download: proofName }, 'Download the proof')] : []),
  ];
}

// A button in three looks; `details` is where the explanation goes.
export function makeMark(label, name, details) {
  const button = element('button', { class: 'mark', type: 'button', 'aria-expanded': 'false', onclick: toggle }, '…');
  let shown = null;
  button.disabled = true;

  function toggle() {
    const isOpen = details.dataset.label === label && !details.hidden;
    details.hidden = isOpen;
    details.dataset.label = label;
    for (const other of details.parentElement.querySelectorAll('.mark')) other.setAttribute('aria-expanded', 'false');
    button.setAttribute('aria-expanded', String(!isOpen));
    if (!isOpen) details.replaceChildren(...explanation(shown, label, name));
  }

  return {
    button,
    show(result) {
      const [look, text] = looks[result.state];
      shown = result;
      button.classList.remove('verified', 'failed', 'unchecked');
      button.classList.add(look);
      button.textContent = text;
      button.title = result.reason || 'Proven in this browser: see what was checked';
      button.disabled = false;
    },
  };
}
