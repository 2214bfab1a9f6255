// The settings of a box as the text of their file: they count from its next start on.
import { getSettings, setSettings } from './api.js';
import { element } from './format.js';

// Returns {node, load()}.
export function settingsForm({ onProblem }) {
  const text = element('textarea', { name: 'settings', rows: '14', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none', 'aria-label': 'Settings' });
  const save = element('button', { type: 'submit', disabled: '' }, 'Save the settings');
  const note = element('p', { class: 'hint', role: 'status' });
  const error = element('p', { class: 'error', role: 'alert' });
  const node = element('form', { 'aria-label': 'Settings', class: 'fields', onsubmit: submit },
    element('p', { class: 'hint' }, 'Tenants, keys, public address, rules: the whole file, secrets and all. What belongs to this machine (where things lie and listen) has to stay. They count from the next start on: save, then restart the box.'),
    text, element('p', { class: 'actions' }, save), note, error);

  async function submit(event) {
    event.preventDefault();
    error.textContent = '';
    note.textContent = '';
    save.disabled = true;
    try {
      const { settings_text: when } = await setSettings(text.value);
      note.textContent = `Saved; ${when}.`;
    } catch (problem) {
      const [, line] = problem.subject?.match(/:(\d+)$/) ?? [];
      error.textContent = `Nothing was changed. ${line ? `Line ${line}: ${problem.detail}` : problem.message}`;
      if (problem.status === 401) onProblem(problem);
    }
    save.disabled = false;
  }

  return {
    node,
    async load() {
      try {
        text.value = await getSettings();
        save.disabled = false;
        error.textContent = '';
      } catch (problem) {
        error.textContent = problem.message;
        if (problem.status !== 404) throw problem;
        text.disabled = true;
      }
    },
  };
}
