// How fast something moves, over the last seconds: what it did a minute ago says little about when it will be there.

const windowMs = 4000;

export function makeSpeed() {
  const samples = [];
  return {
    add(amount, now = performance.now()) {
      // Going back means a new start: an upload that lost bytes, or begins anew.
      if (samples.length > 0 && amount < samples.at(-1).amount) samples.length = 0;
      samples.push({ amount, now });
      while (samples.length > 2 && now - samples[1].now > windowMs) samples.shift();
    },
    reset() { samples.length = 0; },
    // Per second; 0 while there is nothing to tell it from.
    perSecond() {
      if (samples.length < 2) return 0;
      const first = samples[0];
      const last = samples.at(-1);
      return last.now > first.now ? ((last.amount - first.amount) * 1000) / (last.now - first.now) : 0;
    },
  };
}
