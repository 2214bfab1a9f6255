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
async function fetchPatiently(url) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(url);
    if (response.status !== 503 || attempt === attempts) return response;
    const seconds = Number(response.headers.get('Retry-After')) || 1;
    await new Promise((done) => { setTimeout(done, seconds * 1000 * attempt); });
  }
}

// Like fetch(url), in its turn.
export function fetchVariant(url) {
  return new Promise((resolve, reject) => {
    waiting.push(() => fetchPatiently(url).then(resolve, reject));
    next();
  });
}
