// What is served has a proof, also when it is served from RAM and the disk has let go of it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { verifyVariant } from '../../web/src/verify.js';
import { idOf, metric, readPhoto, startBox } from './box.mjs';

const EVICTING = 40;  // of a disk tier of 1 MiB

describe('a variant that the disk has evicted', () => {
  let box, id, vkey;
  const path = (w) => `/i/${id}?dpr=1&fm=png&q=80&w=${w}`;
  const status = async () => (await box.api('/api/v1/status')).json;
  const withToken = (address, init) => fetch(address, address.includes('/ledger/') ? { headers: box.bearer } : init);
  const verify = (w) => verifyVariant(`${box.delivery}${path(w)}`, { vkey, fetch: withToken });
  const onDisk = async (w) => {
    const { json } = await box.api(`/api/v1/originals/${id}`);
    return json.variants.some((variant) => variant.recipe.includes(`w=${w}`));
  };
  const evict = async () => {
    for (let w = 400; w < 400 + EVICTING; w++) assert.equal((await box.get(path(w))).status, 200);
  };

  before(async () => {
    box = await startBox({ settings: ['cache.disk=1M', 'ledger.compact_mb=1', 'ledger.commit_ms=20', 'render.resampler=cpu'] });
    id = await box.put(readPhoto());
    ({ vkey } = (await status()).ledger);
  });
  after(() => box.finish());

  it('is_served_from_ram_and_verified', async () => {
    assert.equal((await verify(300)).state, 'verified');
    assert.equal(await onDisk(300), true);
    await evict();
    assert.equal(await onDisk(300), false);
    const again = await verify(300);
    assert.match(again.response.headers.get('cache-status'), /hit/);
    assert.equal(again.state, 'verified', again.reason);
  });

  // Long: a log of 1 MiB wants some thousand renders.
  if (process.env.PIXPOP_LONG) {
    it('is_made_anew_and_verified_when_its_entry_has_been_pruned', async () => {
      const isCompacted = async () => {
        const text = (await box.api('/metrics')).body.toString();
        return metric(text, 'pixpop_store_ledger_compactions_total') > 0;
      };
      for (let i = 0; !await isCompacted(); i++) {
        assert.ok(i < 1000, 'the ledger is never compacted');
        const many = Array.from({ length: 8 }, (_, k) => box.get(`/i/${id}?dpr=1&fm=jpeg&q=${1 + i % 90}&w=${16 + k + 8 * Math.floor(i / 90)}`));
        for (const reply of await Promise.all(many)) assert.equal(reply.status, 200);
      }
      const again = await verify(300);
      assert.equal(again.state, 'verified', again.reason);
    });
  }

  it('is_not_spoken_of_when_its_original_was_deleted', async () => {
    const { body } = await box.get(path(300));
    const proof = `/ledger/proof/${idOf(body)}`;
    await evict();
    assert.equal((await box.get(proof, { headers: box.bearer })).status, 200);
    assert.equal((await box.api(`/api/v1/originals/${id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await box.get(proof, { headers: box.bearer })).status, 404);
  });
});
