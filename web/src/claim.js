// The first page of a new box: its one-time code for its first token, which is shown once.
import { claim, logIn } from './api.js';
import { copyText } from './clipboard.js';
import { element } from './format.js';

// "k7qx2m9p4trw" as it is printed: K7QX-2M9P-4TRW. What else is typed is left for the box to judge.
function grouped(text) {
  const plain = text.toUpperCase().replace(/[\s-]/g, '');
  return plain.replace(/(.{4})(?=.)/g, '$1-');
}

// onEntered(): logged in. onClaimed(): somebody else was faster. Returns a node.
export function claimCard({ onEntered, onClaimed }) {
  const code = element('input', {
    id: 'code', name: 'code', autocomplete: 'one-time-code', autocapitalize: 'characters', spellcheck: 'false', required: '',
    placeholder: 'XXXX-XXXX-XXXX', maxlength: '24', onchange: () => { code.value = grouped(code.value); },
  });
  const button = element('button', { type: 'submit' }, 'Claim this box');
  const error = element('p', { class: 'error', role: 'alert' });
  const form = element('form', { class: 'card entrance', 'aria-label': 'Claim this box', onsubmit: submit },
    element('h2', {}, 'A new box'),
    element('p', {}, 'Nobody has claimed it yet. Type the code that its screen or serial console shows.'),
    element('label', { for: 'code' }, 'Code'), code, button, error);
  const node = element('div', {}, form);

  function showToken(token) {
    const text = element('code', { class: 'token', 'aria-label': 'Token' }, token);
    const copy = element('button', { class: 'quiet', type: 'button', onclick: () => copyText(copy, token) }, 'Copy the token');
    const saved = element('input', { type: 'checkbox', onchange: () => { go.disabled = !saved.checked; } });
    const trouble = element('p', { class: 'error', role: 'alert' });
    const go = element('button', {
      type: 'button', disabled: '',
      onclick: async () => {
        try {
          await logIn(token);
        } catch (problem) {
          trouble.textContent = problem.message;
          return;
        }
        onEntered();
      },
    }, 'Go on');
    const card = element('section', { class: 'card entrance', 'aria-label': 'Token' },
      element('h2', {}, 'This box is yours'),
      element('p', {}, 'This is its token. It lets you log in here and authorises programs, and it is shown this once: the box keeps only a hash of it.'),
      text, copy, element('label', { class: 'check' }, saved, 'I have put it where I will find it again'), go, trouble);
    node.replaceChildren(card);
    copy.focus();
  }

  async function submit(event) {
    event.preventDefault();
    error.textContent = '';
    button.disabled = true;
    try {
      showToken(await claim(grouped(code.value)));
    } catch (problem) {
      error.textContent = problem.status === 403 ? 'This is not the code. It has changed if the box was restarted since.' : problem.message;
      if (problem.status === 409) onClaimed(problem);
    }
    button.disabled = false;
  }

  return { node, focus: () => code.focus() };
}
