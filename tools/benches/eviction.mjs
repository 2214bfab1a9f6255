// eviction BIN OUT.json: which eviction policy and which admission keep most of what is asked for. Four traces of two million requests, made
// by a seed with the published shape of photo CDNs (sources and parameters: eviction/trace.c), against the cache container with 0.1 %, 1 % and
// 10 % of all bytes. Hit ratios by requests and by bytes; the peer is plain LRU. Behind the table: what each way writes into the cache, which
// is what a disk tier pays for. The same on every machine and at every run.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { report } from './lib.mjs';

const [bin, out] = process.argv.slice(2);
const traces = JSON.parse(execFileSync(join(bin, 'replay'), { encoding: 'utf8' }));

const rows = [];
const written = [];
for (const [trace, { sizes, ...facts }] of Object.entries(traces)) {
  console.log(`${trace}: ${facts.requests} requests for ${facts.objects} objects of ${(facts.mean_bytes / 1000).toFixed(0)} KB, ${(100 * facts.one_hit_share).toFixed(0)} % of them asked for once`);
  for (const [size, ways] of Object.entries(sizes)) {
    for (const [way, outcome] of Object.entries(ways)) {
      written.push({ trace, size, way, share: outcome.written });
      if (way === 'lru') continue;
      for (const [name, key] of [['requests', 'request_hits'], ['bytes', 'byte_hits']]) {
        rows.push({
          metric: `${trace}/${100 * Number(size)}%/${way}/${name}`, unit: '% hits', ours: 100 * outcome[key], peer: 100 * ways.lru[key], peer_name: 'lru', higherIsBetter: true,
        });
      }
    }
  }
}
report(rows, out, { mean: false });

const ways = Object.keys(Object.values(Object.values(traces)[0].sizes)[0]);
const mean = (list) => list.reduce((sum, one) => sum + one, 0) / list.length;
for (const way of ways) {
  const of = (kind) => mean(rows.filter((row) => row.metric.includes(`/${way}/`) && row.metric.endsWith(kind)).map((row) => row.ours - row.peer));
  const gain = way === 'lru' ? '' : `, ${of('/requests').toFixed(1)} points of requests and ${of('/bytes').toFixed(1)} of bytes above LRU on average`;
  console.log(`${way}: writes ${(100 * mean(written.filter((one) => one.way === way).map((one) => one.share))).toFixed(0)} % of the bytes asked for${gain}`);
}
