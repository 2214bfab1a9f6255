// The verifier key of the box's ledger, as this browser saw it first: another key later is somebody's doing, and a person has
// to say that it was theirs.

const place = 'pixpop-vkey';

function read() {
  try {
    return localStorage.getItem(place);
  } catch {
    return null;  // forbidden storage: every visit is the first
  }
}

export function trust(vkey) {
  try {
    localStorage.setItem(place, vkey);
  } catch {
    // As above.
  }
}

// The key to check with: the one known from before, else `vkey`, which is known from now on.
export function trustedKey(vkey) {
  const known = read();
  if (known) return known;
  trust(vkey);
  return vkey;
}
