// cache BIN OUT.json [ROUNDS]: the cache container alone, with 100,000 entries: touches a second with keys drawn alike and by Zipf's
// law, on one and on two threads, plain and weighing heat; and the time of a put that evicts. The peer is the article's claim. Wall
// time; each round is a process of its own; medians over the rounds. The longest eviction is shown beside the table: on a machine
// that does other things too it is the time for which the process was not running.
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { median, report } from './lib.mjs';

const claim = { touches: 2.1e6, eviction_us: 380 };

const [bin, out, rounds = '5'] = process.argv.slice(2);
const runs = [];
for (let i = 0; i < Number(rounds); i++) runs.push(JSON.parse(execFileSync(join(bin, 'touches'), { encoding: 'utf8' })));

const rows = [];
for (const [name, value] of Object.entries(runs[0])) {
  if (typeof value === 'number') {
    rows.push({ metric: `touches/${name}`, unit: '1/s', ours: median(runs.map((run) => run[name])), peer: claim.touches, peer_name: 'article', higherIsBetter: true });
    continue;
  }
  for (const part of ['p50', 'p99']) {
    rows.push({ metric: `${name}/${part}`, unit: 'us', ours: median(runs.map((run) => run[name][part])) * 1000, peer: claim.eviction_us, peer_name: 'article', higherIsBetter: false });
  }
}
console.log(`load average ${loadavg()[0].toFixed(1)}`);
report(rows, out);
for (const name of ['evict', 'evict-heat']) console.log(`${name}: the longest of 300,000 took ${(median(runs.map((run) => run[name].max)) * 1000).toFixed(1)} us`);
