// The network's settings of an appliance: lines such as "address 192.168.1.20/24", and the form that writes them.
import { getNetwork, setNetwork } from './api.js';
import { element } from './format.js';

const fields = [
  ['host_name', 'Host name', 'pixpop-k7qx', 'both'],
  ['address', 'Address and prefix', '192.168.1.20/24', 'static'],
  ['gateway', 'Gateway', '192.168.1.1', 'static'],
  ['dns', 'Name servers', '192.168.1.1 9.9.9.9', 'both'],
  ['ntp', 'Time servers', 'pool.ntp.org', 'both'],
  ['service', 'Interface of the rescue page', 'eth1', 'both'],
];
const readLine = (line) => line.trim().match(/^(\w+)(?:\s+(.*))?$/) ?? [];

// Of two lines with one name the last one counts.
export function parseNetwork(text) {
  const settings = {};
  for (const line of text.split('\n')) {
    const [, name, value = ''] = readLine(line);
    if (name) settings[name] = value;
  }
  return { ...settings, mode: settings.mode === 'static' ? 'static' : 'dhcp' };
}

// The text with those settings changed; an empty one goes. All other lines stay as they are.
export function changeNetwork(text, changes) {
  let lines = text.replace(/\n$/, '').split('\n');
  for (const [name, value] of Object.entries(changes)) {
    const names = lines.map((line) => readLine(line)[1]);
    const at = names.lastIndexOf(name);
    if (!value) lines = lines.filter((_, i) => names[i] !== name);
    else lines.splice(at < 0 ? lines.length : at, at < 0 ? 0 : 1, `${name} ${value}`);
  }
  return `${lines.join('\n').replace(/^\n/, '') || 'mode dhcp'}\n`;
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
  save.disabled = true; // until it is known what is set
  let loaded;

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
    const settings = { mode: mode.value };
    for (const { name, input } of inputs) settings[name] = input.value.trim().replace(/[\s,]+/g, ' ');
    const changes = Object.fromEntries(Object.entries(settings).filter(([name, value]) => value !== (loaded[name] ?? '')));
    try {
      // Somebody else may have changed other lines since.
      await setNetwork(changeNetwork(await getNetwork(), changes));
      loaded = settings;
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
      loaded = parseNetwork(await getNetwork());
      mode.value = loaded.mode;
      for (const { name, input } of inputs) input.value = loaded[name] ?? '';
      save.disabled = false;
      showFields();
    },
  };
}
