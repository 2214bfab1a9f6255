// Requests for variants, a few at a time: a page of originals must not fill the box's render queue.

const parallel = 4;
const attempts = 6;
const waiting = [];
let running = 0;

function next() {
  while (running < parallel && waiting.length > 0) {
    running += 1;
    waiting.shift()().finally(() => { running -= 1; next(); });
  }
}

// A busy box says 503 and when to come back.
async function fetchPatiently(url, init) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(url, init);
    if (response.status !== 503 || attempt === attempts) return response;
    const seconds = Number(response.headers.get('Retry-After')) || 1;
    await new Promise((done) => { setTimeout(done, seconds * 1000 * attempt); });
  }
}

// Like fetch, in its turn.
export function fetchVariant(url, init) {
  return new Promise((resolve, reject) => {
    waiting.push(() => fetchPatiently(url, init).then(resolve, reject));
    next();
  });
}
