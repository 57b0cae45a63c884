// Requests to this service: the token, errors in one shape, and patience where it is busy.

const KEY = "clfa-token";
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

export function useToken(token) {
  sessionStorage.setItem(KEY, token);
}

async function request(path, options) {
  const token = sessionStorage.getItem(KEY);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: token ? { authorization: `Bearer ${token}` } : {} });
  } catch {
    throw new Error("The service does not answer. Is it still running?");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  const error = new Error(content?.error?.message ?? `The service answers with ${answer.status}.`);
  error.code = content?.error?.code;
  error.retryAfter = answer.status === 503 ? Number(answer.headers.get("retry-after") ?? 2) : null;
  throw error;
}

export function model() {
  return request("/v1/model", {});
}

// Posts a form; where the service is busy, tries again up to `times` times.
export async function ask(form, times = 1) {
  for (let left = times; ; left -= 1) {
    try {
      return await request("/v1/predict", { method: "POST", body: form });
    } catch (error) {
      if (!error.retryAfter || left <= 0) throw error;
      await pause(Math.min(error.retryAfter, 10));
    }
  }
}
