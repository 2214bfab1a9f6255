// The network's settings of an appliance: lines such as "address 192.168.1.20/24", and the form that writes them.
import { getNetwork, setNetwork } from './api.js';
import { element } from './format.js';

const fields = [
  ['host_name', 'Host name', 'pixpop-k7qx', 'both'],
  ['address', 'Address and prefix', '192.168.1.20/24', 'static'],
  ['gateway', 'Gateway', '192.168.1.1', 'static'],
  ['dns', 'Name servers', '192.168.1.1 9.9.9.9', 'static'],
  ['ntp', 'Time servers', 'pool.ntp.org', 'both'],
];
const known = ['mode', ...fields.map(([name]) => name)];

export function parseNetwork(text) {
  const settings = { mode: 'dhcp', others: [] };
  for (const line of text.split('\n').map((one) => one.trim())) {
    const [, name, value] = line.match(/^(\w+)\s+(.*)$/) ?? [];
    if (known.includes(name)) settings[name] = value;
    else if (line) settings.others.push(line);
  }
  return settings;
}

// Lines that this page knows nothing of stay.
export function writeNetwork(settings) {
  const isStatic = settings.mode === 'static';
  const lines = fields
    .filter(([name, , , mode]) => settings[name] && (mode === 'both' || isStatic))
    .map(([name]) => `${name} ${settings[name].trim().replace(/[\s,]+/g, ' ')}`);
  return `${[`mode ${settings.mode}`, ...lines, ...settings.others].join('\n')}\n`;
}

// Returns {node, load()}.
export function networkForm({ onProblem }) {
  const mode = element('select', { name: 'mode', onchange: showFields },
    element('option', { value: 'dhcp' }, 'by DHCP'), element('option', { value: 'static' }, 'static'));
  const inputs = fields.map(([name, label, example, when]) => {
    const input = element('input', { name, placeholder: example, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none' });
    return { name, when, input, row: element('label', {}, label, input) };
  });
  const note = element('p', { class: 'hint', role: 'status' });
  const error = element('p', { class: 'error', role: 'alert' });
  const save = element('button', { type: 'submit' }, 'Save the network settings');
  const node = element('form', { 'aria-label': 'Network', class: 'fields', onsubmit: submit },
    element('label', {}, 'IPv4 address', mode), ...inputs.map(({ row }) => row), element('p', { class: 'actions' }, save), note, error);
  let others = [];

  function showFields() {
    for (const { when, row, name, input } of inputs) {
      row.hidden = when === 'static' && mode.value !== 'static';
      input.required = name === 'address' && !row.hidden;
    }
  }

  async function submit(event) {
    event.preventDefault();
    error.textContent = '';
    note.textContent = '';
    save.disabled = true;
    const settings = { mode: mode.value, others };
    for (const { name, input } of inputs) settings[name] = input.value;
    try {
      await setNetwork(writeNetwork(settings));
      note.textContent = settings.mode === 'static'
        ? `Saved. From now on the box is at ${settings.address.split('/')[0]}; open the page there.`
        : 'Saved. The box may get another address now.';
    } catch (problem) {
      error.textContent = problem.message;
      if (problem.status === 401) onProblem(problem);
    }
    save.disabled = false;
  }

  showFields();
  return {
    node,
    async load() {
      const settings = parseNetwork(await getNetwork());
      mode.value = settings.mode === 'static' ? 'static' : 'dhcp';
      for (const { name, input } of inputs) input.value = settings[name] ?? '';
      ({ others } = settings);
      showFields();
    },
  };
}
