'use strict';
// The page of pixpop-rescue: what api.h offers, for people.
const at = (id) => document.getElementById(id);
const kept = 'pixpop-rescue-token';
const marks = {
  good: 'good: has started well before',
  untried: 'new: has not started yet',
  bad: 'empty or damaged: is never started',
};
let token = sessionStorage.getItem(kept);
let sending = null; // the request that uploads
let installs = 0; // that were begun, as far as is known
let ownInstall = 0; // the number that the one of this page has
let waitsForRestart = false;

class Problem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function readProblem(status, text) {
  let detail;
  try {
    const said = JSON.parse(text);
    detail = said.detail || said.title;
  } catch { /* no problem+json: the status has to do */ }
  return new Problem(status, detail || `The box answered with status ${status}.`);
}

async function ask(method, path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let reply;
  try {
    reply = await fetch(path, { method, headers, body, cache: 'no-store' });
  } catch {
    throw new Problem(0, 'The box does not answer.');
  }
  if (!reply.ok) throw readProblem(reply.status, await reply.text());
  return reply;
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function show(id, text) {
  at(id).textContent = text;
  at(id).hidden = !text;
}

function logOut(text = '') {
  token = null;
  sessionStorage.removeItem(kept);
  at('workspace').hidden = at('log-out').hidden = true;
  at('log-in').hidden = false;
  at('log-in-error').textContent = text;
  at('box-line').textContent = '';
  at('code').focus();
}

function failed(problem) {
  if (problem.status === 401) logOut('The session has ended: enter the code again.');
  else show('problem', problem.message);
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const isBusy = (install) => install && ['reading', 'writing', 'checking'].includes(install.phase);

// Rows are made anew only when they would differ: a button keeps the focus.
const drawn = {};
function hasChanged(part, ...values) {
  const text = JSON.stringify(values);
  if (drawn[part] === text) return false;
  drawn[part] = text;
  return true;
}

function drawSlots(status) {
  if (!hasChanged('slots', status.slots, status.next, status.slots_fault, isBusy(status.install))) return;
  const rows = status.slots.map((slot) => {
    const row = element('div', undefined, 'row');
    const what = element('div', undefined, 'what');
    what.append(element('strong', `Slot ${slot.name}`), slot.version ? `version ${slot.version}` : 'version unknown');
    if (slot.is_running) what.append(', running');
    const tries = slot.mark === 'bad' ? '' : `; ${slot.tries} ${slot.tries === 1 ? 'try' : 'tries'} left`;
    what.append(element('br'), element('span', marks[slot.mark] + tries, `mark ${slot.mark}`));
    row.append(what);
    if (slot.mark !== 'bad' && status.next !== slot.name) {
      const choose = element('button', `Start ${slot.name} next`, 'quiet');
      choose.type = 'button';
      choose.disabled = isBusy(status.install);
      choose.addEventListener('click', () => act(async () => draw(await (await ask('POST', `/api/v1/choose?slot=${slot.name}`)).json())));
      row.append(choose);
    }
    return row;
  });
  at('slots').replaceChildren(...rows);
  if (status.slots_fault) at('next').textContent = `The state of the slots can not be read: ${status.slots_fault}`;
  else if (status.next === 'rescue' && status.slots.some((slot) => slot.mark !== 'bad' && slot.tries > 0)) at('next').textContent = 'A restart starts this rescue page, once.';
  else if (status.next === 'rescue') at('next').textContent = 'Neither can start: the box comes back to this page. Install a system.';
  else at('next').textContent = `A restart starts slot ${status.next}.`;
}

function drawInstall(status) {
  const install = status.install;
  const busy = Boolean(sending) || isBusy(install);
  for (const input of at('install').elements) if (input.id !== 'cancel') input.disabled = busy;
  for (const input of document.getElementsByName('slot')) {
    const running = status.slots.some((slot) => slot.name === input.value && slot.is_running);
    if (running) {
      input.disabled = true;
      input.checked = false;
    }
  }
  if (!document.querySelector('[name="slot"]:checked')) {
    const other = status.slots.find((slot) => !slot.is_running && slot.name !== status.next) || status.slots.find((slot) => !slot.is_running);
    const input = document.querySelector(`[name="slot"][value="${other ? other.name : 'A'}"]`);
    input.checked = true;
  }
  at('cancel').hidden = !sending;
  at('reboot').disabled = at('reset').disabled = busy;
  at('bar').hidden = !busy;
  at('older').parentElement.hidden = !status.slots.some((slot) => slot.is_running);
  at('install-bytes').textContent = busy && install && install.total ? `${megabytes(install.done)} of ${megabytes(install.total)}` : '';
  const line = at('install-state'); // read aloud at each change: no numbers
  line.className = install && install.phase === 'failed' && !busy ? 'error' : '';
  if (!install || (sending && !isBusy(install))) line.textContent = sending ? 'Sending…' : '';
  else if (install.phase === 'done') line.textContent = `Version ${install.version} is installed in slot ${install.slot}. Restart the box to use it.`;
  else if (install.phase === 'failed') line.textContent = `Slot ${install.slot} was not installed: ${install.failure}`;
  else {
    const version = install.version ? `version ${install.version}` : 'the bundle';
    const how = { reading: `Reading ${version}`, writing: `Writing ${version} to slot ${install.slot}`, checking: `Checking slot ${install.slot}` }[install.phase];
    line.textContent = `${how}…`;
    if (install.total) at('bar').value = (100 * install.done) / install.total;
    else at('bar').removeAttribute('value');
  }
}

const origins = { fixed: 'set by hand', dhcp: 'by DHCP', autoip: 'chosen by itself (no DHCP server answers)', none: 'waiting for an address' };

function drawNetwork(status) {
  if (!hasChanged('network', status.interfaces, status.host_name)) return;
  const rows = status.interfaces.map((one) => {
    const row = element('div', undefined, 'row');
    const what = element('div', undefined, 'what');
    what.append(element('strong', one.name), one.has_link ? 'connected' : 'no cable', `, ${one.mac}`);
    const [first, ...others] = one.origin === 'none' ? [origins.none, ...one.addresses] : [`${one.addresses[0]} (${origins[one.origin]})`, ...one.addresses.slice(1)];
    if (one.has_link) what.append(element('br'), [first, ...others].join(', '));
    row.append(what);
    return row;
  });
  at('network').replaceChildren(...rows);
  at('host-name').textContent = `${status.host_name}.local`;
}

// A browser looks for the reply to an upload only when all of it is sent.
function stopRefused(install) {
  installs = install ? install.number : 0;
  if (sending && installs >= ownInstall && install.phase === 'failed') sending.abort();
}

function draw(status) {
  stopRefused(status.install);
  at('box-line').textContent = `${status.host_name}, board ${status.board}, pixpop ${status.version}`;
  drawSlots(status);
  drawInstall(status);
  drawNetwork(status);
  at('reset-state').textContent = status.is_reset_done ? 'Done: restart the box. It begins like a new one.' : '';
}

async function look() {
  if (!token) return;
  try {
    const status = await (await ask('GET', '/api/v1/status')).json();
    if (!token) return;
    at('log-in').hidden = true;
    at('workspace').hidden = at('log-out').hidden = false;
    if (waitsForRestart) show('notice', '');
    waitsForRestart = false;
    if (at('problem').dataset.silent) show('problem', '');
    delete at('problem').dataset.silent;
    draw(status);
  } catch (problem) {
    if (waitsForRestart) return;
    if (problem.status === 0) at('problem').dataset.silent = 'yes';
    failed(problem);
  }
}

// A change; its failure is shown until the next one.
async function act(change) {
  show('problem', '');
  try {
    await change();
  } catch (problem) {
    failed(problem);
  }
}

function save(blob, name) {
  const link = element('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// fetch does not say how far an upload is.
function upload(slot, file, older) {
  return new Promise((done, refuse) => {
    const request = sending = new XMLHttpRequest();
    ownInstall = installs + 1;
    const end = (how, value) => {
      sending = null;
      how(value);
    };
    request.open('PUT', `/api/v1/slots/${slot}${older ? '?older=1' : ''}`);
    request.setRequestHeader('Authorization', `Bearer ${token}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => { at('bar').value = (100 * event.loaded) / event.total; };
    request.onload = () => (request.status === 200 ? end(done) : end(refuse, readProblem(request.status, request.responseText)));
    request.onabort = () => end(refuse, new Problem(-1, ''));
    // Refused in the midst of it, perhaps: then the status says why.
    request.onerror = () => end(refuse, new Problem(-1, ''));
    request.send(file);
  });
}

at('log-in').addEventListener('submit', async (event) => {
  event.preventDefault();
  at('log-in-error').textContent = '';
  try {
    token = null;
    token = (await (await ask('POST', '/api/v1/session', at('code').value)).json()).token;
    sessionStorage.setItem(kept, token);
    at('code').value = '';
    show('problem', '');
    await look();
    at('slots-title').tabIndex = -1;
    at('slots-title').focus();
  } catch (problem) {
    at('log-in-error').textContent = problem.status === 401 ? 'This is not the code on the console.' : problem.message;
    at('code').select();
  }
});

at('log-out').addEventListener('click', async () => {
  await ask('DELETE', '/api/v1/session').catch(() => {});
  logOut();
});

at('install').addEventListener('submit', (event) => {
  event.preventDefault();
  const [file] = at('bundle').files;
  const slot = document.querySelector('[name="slot"]:checked').value;
  act(async () => {
    at('bar').value = 0;
    const wait = upload(slot, file, at('older').checked);
    look();
    try {
      await wait;
    } catch (problem) {
      // What ended the install itself is said where the install is shown.
      if (problem.status > 0 && installs < ownInstall) throw problem;
    }
    await look();
  });
});
at('cancel').addEventListener('click', () => sending && sending.abort());

at('reboot').addEventListener('click', () => act(async () => {
  await ask('POST', '/api/v1/reboot');
  waitsForRestart = true;
  show('notice', 'The box restarts. When its system starts, this page ends; the console of pixpop is there then.');
}));

at('forget-network').addEventListener('click', () => act(async () => {
  at('network-state').textContent = '';
  draw(await (await ask('POST', '/api/v1/network/forget')).json());
  at('network-state').textContent = 'Forgotten: from its next start on the system asks for an address by DHCP.';
}));

at('show-log').addEventListener('click', () => act(async () => {
  const log = at('log');
  const opens = log.hidden;
  if (opens) log.textContent = await (await ask('GET', '/api/v1/log')).text();
  log.hidden = !opens;
  at('show-log').textContent = opens ? 'Hide' : 'Show';
  at('show-log').setAttribute('aria-expanded', String(opens));
  if (opens) log.scrollTop = log.scrollHeight;
}));

at('support').addEventListener('click', () => act(async () => {
  const reply = await ask('GET', '/api/v1/support');
  save(await reply.blob(), `${at('host-name').textContent.replace('.local', '')}-rescue.tar`);
}));

let confirmation = null;
function askSure(isAsked) {
  at('reset').hidden = isAsked;
  at('reset-sure').hidden = !isAsked;
  (isAsked ? at('reset-no') : at('reset')).focus();
}
at('reset').addEventListener('click', () => act(async () => {
  confirmation = (await (await ask('POST', '/api/v1/factory-reset')).json()).confirm;
  askSure(true);
}));
at('reset-no').addEventListener('click', () => askSure(false));
at('reset-yes').addEventListener('click', () => act(async () => {
  askSure(false);
  draw(await (await ask('POST', `/api/v1/factory-reset?confirm=${confirmation}`)).json());
}));

if (token) look();
else logOut();
setInterval(look, 1500);
