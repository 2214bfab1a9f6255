// Uploads that have not come to an end, remembered over a reload: the URL storage of tus-js-client, in localStorage.
//
// tus-js-client drops an upload's URL after any 4xx, also after a 401 that another log-in heals. So its removals are
// not followed here: the page removes what is stored, refused or given up, itself.

const prefix = 'pixpop-upload::';

function entries(start) {
  const found = [];
  for (let i = 0; i < localStorage.length; i += 1) {
    const key = localStorage.key(i);
    if (!key.startsWith(start)) continue;
    try {
      found.push({ ...JSON.parse(localStorage.getItem(key)), urlStorageKey: key });
    } catch {
      // What is damaged is not worth a word.
    }
  }
  return found;
}

export const fingerprint = async (file) => [file.name, file.size, file.lastModified].map(encodeURIComponent).join('/');

export const urlStorage = {
  findAllUploads: async () => entries(prefix),
  findUploadsByFingerprint: async (print) => entries(`${prefix}${print}::`),
  removeUpload: async () => {},
  addUpload: async (print, upload) => {
    const key = `${prefix}${print}::${Math.random().toString(36).slice(2)}`;
    try {
      localStorage.setItem(key, JSON.stringify(upload));
    } catch {
      // A full or forbidden storage only means that this upload can not go on after a reload.
    }
    return key;
  },
};

const pathOf = (url) => new URL(url, location.href).pathname;

export function forget(url) {
  for (const entry of entries(prefix)) {
    if (url && pathOf(entry.uploadUrl) === pathOf(url)) localStorage.removeItem(entry.urlStorageKey);
  }
}

// Those that are still open on the box, as {url, name, size, offset}; forgets the others. `known` is the box's list.
export function stillUnfinished(known) {
  const isOpen = ({ state }) => state !== 'stored' && state !== 'refused';
  const offsets = new Map(known.filter(isOpen).map((upload) => [upload.id, upload]));
  const found = [];
  for (const entry of entries(prefix)) {
    const upload = offsets.get(pathOf(entry.uploadUrl).split('/').at(-1));
    if (!upload) localStorage.removeItem(entry.urlStorageKey);
    else found.push({ url: entry.uploadUrl, name: entry.metadata?.filename ?? '', size: entry.size, offset: upload.offset });
  }
  return found;
}
