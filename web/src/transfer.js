// One file on its way to the box by tus 1.0: in chunks that the box keeps, tried again where that can help, and able to
// pause and to go on, also after a reload.
import { Upload } from 'tus-js-client';
import { Problem, getOriginal, getUpload, sessionHeaders } from './api.js';
import { fingerprint, forget, urlStorage } from './unfinished.js';

const endpoint = new URL('/api/v1/uploads', location.href).href;  // whole: it is what a Location is resolved against
const chunkBytes = 5 * 1024 * 1024;
const retryDelays = [1000, 3000, 5000];
// 401 and 403: the session has ended. The upload waits for the next one.
const lockedOut = [401, 403];
const passing = [0, 408, 409, 423, 460, 502, 503, 504];

function problemOf(error) {
  if (!error.originalRequest) return new Problem(0, { detail: error.message });
  const response = error.originalResponse;
  if (!response) return new Problem(0, { detail: 'The box can not be reached' });
  let body = null;
  try {
    body = JSON.parse(response.getBody());
  } catch {
    // Not from the box itself.
  }
  return new Problem(response.getStatus(), body);
}

// The answer to the last chunk names the original; when it was lost, the box still knows.
async function originalOf(upload, response) {
  const id = response?.getHeader('Pixpop-Original') ?? (await getUpload(upload.url)).original;
  if (!id) throw new Problem(0, { detail: 'The box took the file but names no original' });
  return getOriginal(id);
}

// The tellers: onProgress(sent, total), onResumed(), onRetry(), onStored(original), onFailed(problem),
// onLockedOut(problem). Returns {start, pause, cancel}.
export function makeTransfer(file, tell) {
  let isAnew = false;

  async function end(work) {
    try {
      await work();
    } catch (problem) {
      fail(problem instanceof Problem ? problem : new Problem(0, { detail: String(problem) }));
    }
  }

  // A refused HEAD has no body to say why; the upload's own page has.
  async function explained(problem) {
    if (problem.detail || !upload.url || ![410, 415, 422].includes(problem.status)) return problem;
    const refusal = await getUpload(upload.url).then((page) => page.problem && new Problem(422, page.problem), (other) => other);
    return refusal ?? problem;
  }

  function fail(problem) {
    if (lockedOut.includes(problem.status)) {
      tell.onLockedOut(problem);
    } else if ([404, 410].includes(problem.status) && upload.url && !isAnew) {
      // The box has given the upload up in the meantime: once from the beginning.
      isAnew = true;
      forget(upload.url);
      upload.url = null;
      upload.options.endpoint = endpoint;
      upload.start();
    } else {
      if (problem.status >= 400 && problem.status < 500) forget(upload.url);
      tell.onFailed(problem);
    }
  }

  const upload = new Upload(file, {
    endpoint,
    chunkSize: chunkBytes,
    retryDelays,
    fingerprint,
    urlStorage,
    uploadDataDuringCreation: file.size <= chunkBytes,
    metadata: { filename: file.name, filetype: file.type },
    onBeforeRequest: (request) => {
      for (const [name, value] of Object.entries(sessionHeaders())) request.setHeader(name, value);
    },
    // Without an endpoint the library can not answer a failed HEAD with a new upload, which would send all bytes again.
    onUploadUrlAvailable: () => { upload.options.endpoint = null; },
    onShouldRetry: (error) => {
      const isPassing = passing.includes(error.originalResponse?.getStatus() ?? 0);
      if (isPassing) tell.onRetry();
      return isPassing;
    },
    onProgress: tell.onProgress,
    onSuccess: ({ lastResponse }) => end(async () => {
      const original = await originalOf(upload, lastResponse);
      forget(upload.url);
      tell.onStored(original);
    }),
    onError: (error) => explained(problemOf(error)).then(fail),
  });

  return {
    async start() {
      if (!upload.url) {
        const [previous] = await upload.findPreviousUploads();
        if (previous) {
          upload.resumeFromPreviousUpload(previous);
          upload.options.endpoint = null;
          tell.onResumed();
        }
      }
      upload.start();
    },
    // The bytes of the chunk under way that have come stay on the box.
    pause: () => upload.abort(),
    cancel() {
      forget(upload.url);
      return upload.abort(true).catch(() => {});
    },
  };
}
