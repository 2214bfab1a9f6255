// Waiting in tests: for something to become true, with a limit that is fixed and generous.
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Until `look` gives something true; what it gave. `what` (or what it returns then) says what never came.
export async function until(what, look, seconds = 30, everyMs = 100) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${typeof what === 'function' ? what() : what}: not within ${seconds} s`);
    await sleep(everyMs);
  }
}

// A child that is told to end and does: {code, signal}. One that hangs is aborted, which its exit then tells.
export async function stopChild(child, exited, signal = 'SIGTERM') {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGABRT'), 60000);
  const outcome = await exited;
  clearTimeout(timer);
  return outcome;
}
