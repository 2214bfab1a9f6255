// The card "System" of an appliance: what runs, its two slots, updates, the network, restarts and the factory reset.
import { chooseNext, getSystem, powerOffBox, resetBox, restartBox } from './api.js';
import { element } from './format.js';
import { networkForm } from './network.js';
import { settingsForm } from './settings.js';
import { isInstalling, updatePart } from './update.js';

const busyPollMs = 700;
const openPollMs = 4000;
const closedPollMs = 30000;
const goneGivesUpMs = 15 * 60 * 1000;

const healthTexts = {
  waiting: 'being checked since the start',
  good: 'good',
  failing: 'not well: the box restarts itself when its page stays silent',
  failed: 'failed',
};
const markTexts = { good: 'works', untried: 'not tried yet', bad: 'can not be started' };

const row = (name, ...content) => element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, ...content));
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

function slotRow(slot, system, onChoose) {
  const notes = [slot.name === system.running ? 'runs now' : '', slot.name === system.next && slot.name !== system.running ? 'starts next' : ''].filter(Boolean);
  const canStart = slot.mark !== 'bad' && slot.name !== system.next;
  const button = element('button', { class: 'quiet small', type: 'button', 'aria-label': `Start ${slot.name} next`, onclick: () => onChoose(slot.name) }, 'Start next');
  button.disabled = isInstalling(system);
  return element('tr', {},
    element('th', { scope: 'row' }, slot.name),
    element('td', {}, slot.version || 'empty'),
    element('td', {}, slot.mark === 'bad' && !slot.version ? '' : markTexts[slot.mark] ?? slot.mark, slot.mark === 'untried' ? ` (${slot.tries} ${slot.tries === 1 ? 'try' : 'tries'} left)` : '', notes.length > 0 ? `, ${notes.join(', ')}` : ''),
    element('td', { class: 'end' }, canStart ? button : ''));
}

function factoryReset({ hostName, onDone, onProblem }) {
  const name = element('input', { name: 'confirm', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', oninput: check });
  const button = element('button', { class: 'danger quiet', type: 'submit', disabled: '' }, 'Erase everything and restart');
  const error = element('p', { class: 'error', role: 'alert' });
  const node = element('form', { 'aria-label': 'Factory reset', class: 'fields', onsubmit: submit },
    element('p', { class: 'hint' }, 'All originals, variants, settings, the network’s too, and the token are lost. The installed software stays. Download a backup first.'),
    element('label', {}, `Type ${hostName} to confirm`, name), element('p', { class: 'actions' }, button), error);

  function check() {
    button.disabled = name.value !== hostName;
  }

  async function submit(event) {
    event.preventDefault();
    error.textContent = '';
    try {
      await resetBox(name.value);
      await restartBox();
      node.reset();
      check();
      await onDone();
    } catch (problem) {
      error.textContent = problem.message;
      if (problem.status === 401) onProblem(problem);
    }
  }
  return node;
}

// fingerprint: SHA-256 of the console's certificate, for PIXPOP_FINGERPRINT. Returns {node, refresh(), close()}.
export function systemCard({ hostName, fingerprint, onProblem }) {
  const badge = element('span', { class: 'badge' });
  const line = element('span', { role: 'status' });
  const alert = element('p', { class: 'error', role: 'alert' });
  const about = element('table', { class: 'report' });
  const slots = element('tbody', {});
  const restartNow = element('p', { class: 'actions', hidden: '' }, element('button', { type: 'button', onclick: () => restart() }, 'Restart now'));
  const update = updatePart({ onBegun: () => schedule(), onEnded: refresh, onProblem });
  const network = networkForm({ onProblem });
  const settings = settingsForm({ onProblem });
  const changes = element('div', {},
    element('h3', {}, 'Slots'),
    element('div', { class: 'scrolls' }, element('table', { class: 'report slots' },
      element('thead', {}, element('tr', {}, ...['Slot', 'Version', 'State', ''].map((head) => element('th', { scope: 'col' }, head)))), slots)),
    element('h3', {}, 'Update'), update.node, restartNow,
    element('h3', {}, 'Network'), network.node,
    element('h3', {}, 'Settings'), settings.node,
    element('h3', {}, 'Power'),
    element('p', { class: 'actions' },
      element('button', { class: 'quiet', type: 'button', onclick: () => ask('Restart the box? It serves nothing for a moment.', restart) }, 'Restart'),
      element('button', { class: 'quiet', type: 'button', onclick: () => ask('Switch the box off? Somebody has to switch it on again.', switchOff) }, 'Power off'),
      element('button', { class: 'quiet', type: 'button', onclick: () => ask('Restart into the rescue system? Its page asks for the code that the box’s screen then shows.', rescue) }, 'Start the rescue system')),
    element('h3', {}, 'Factory reset'),
    factoryReset({ hostName, onProblem, onDone: () => leave('The box erases itself and starts anew.') }));
  const node = element('details', { class: 'card fold system', 'aria-label': 'System', ontoggle: opened },
    element('summary', {}, element('h2', {}, 'System'), badge, line), alert, about, changes);
  let timer = 0;
  let isOpen = true;
  let isNetworkLoaded = false;
  let areSettingsLoaded = false;
  let system = null;

  function schedule() {
    clearTimeout(timer);
    if (!isOpen) return;
    const isBusy = update.isSending() || (system && (isInstalling(system) || system.health === 'waiting'));
    timer = setTimeout(refresh, isBusy ? busyPollMs : node.open ? openPollMs : closedPollMs);
  }

  function lineText() {
    if (isInstalling(system)) return `${system.version} in slot ${system.running}; an update is being installed`;
    if (system.next === 'rescue') return `${system.version} in slot ${system.running}; the rescue system starts next`;
    if (system.is_reboot_needed) return `${system.version} in slot ${system.running}; slot ${system.next} starts next`;
    return `${system.version} in slot ${system.running}`;
  }

  function show(next) {
    system = next;
    alert.textContent = '';
    changes.hidden = false;
    badge.textContent = system.health;
    badge.className = `badge ${system.health}`;
    line.textContent = lineText();
    about.replaceChildren(row('Board', system.board), row('Version', system.version), row('Host name', hostName),
      row('Fingerprint', element('code', {}, fingerprint ?? 'none: no TLS')),
      row('Health', healthTexts[system.health] ?? system.health, system.health_text ? ` (${system.health_text})` : ''));
    slots.replaceChildren(...system.slots.map((slot) => slotRow(slot, system, choose)));
    restartNow.hidden = !system.is_reboot_needed || isInstalling(system) || update.isSending();
    update.show(system);
    if (['failing', 'failed'].includes(system.health) && !node.dataset.isTold) {
      node.dataset.isTold = 'true';
      node.open = true;
    }
  }

  function fail(problem) {
    if (problem.status === 401) {
      onProblem(problem);
      return;
    }
    alert.textContent = problem.message;
    line.textContent = '';
    if (!system) {
      badge.textContent = 'unknown';
      changes.hidden = true;
    }
  }

  async function refresh() {
    clearTimeout(timer);
    try {
      const next = await getSystem();
      if (!isOpen) return;
      show(next);
    } catch (problem) {
      if (isOpen) fail(problem);
    }
    schedule();
  }

  function opened() {
    if (!node.open) return;
    refresh();
    if (!areSettingsLoaded) settings.load().catch(() => { areSettingsLoaded = false; });
    if (!isNetworkLoaded) network.load().catch(() => { isNetworkLoaded = false; });
    areSettingsLoaded = true;
    isNetworkLoaded = true;
  }

  async function ask(question, then) {
    if (!window.confirm(question)) return;
    try {
      await then();
    } catch (problem) {
      fail(problem);
    }
  }

  async function choose(slot) {
    try {
      await chooseNext(slot);
    } catch (problem) {
      fail(problem);
      return;
    }
    await refresh();
  }

  // Until another boot answers; by then this session is gone, and the answer is "log in".
  async function leave(text) {
    clearTimeout(timer);
    const boot = system?.boot;
    const until = Date.now() + goneGivesUpMs;
    changes.hidden = true;
    about.replaceChildren();
    alert.textContent = '';
    badge.textContent = 'restarting';
    badge.className = 'badge waiting';
    line.textContent = text;
    node.open = true;
    while (isOpen && Date.now() < until) {
      await pause(openPollMs / 2);
      const next = await getSystem().catch((problem) => problem);
      if (!isOpen) return;
      if (next.status === 401) {
        onProblem({ status: 401, hasRestarted: true });
        return;
      }
      if (next.slots && boot && next.boot !== boot) {
        show(next);
        schedule();
        return;
      }
    }
    line.textContent = 'The box has not come back yet. Reload the page, or look at its screen.';
  }

  async function restart() {
    try {
      await restartBox();
    } catch (problem) {
      fail(problem);
      return;
    }
    await leave('The box restarts. This takes a minute or so.');
  }

  async function switchOff() {
    await powerOffBox();
    isOpen = false;
    changes.hidden = true;
    badge.textContent = 'off';
    badge.className = 'badge off';
    line.textContent = 'The box switches itself off.';
  }

  async function rescue() {
    await chooseNext('rescue');
    await restartBox();
    await leave('The box restarts into the rescue system. Its page asks for the code that the box’s screen shows.');
  }

  return {
    node,
    refresh,
    close() {
      isOpen = false;
      clearTimeout(timer);
    },
  };
}
