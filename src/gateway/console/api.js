// Asks the exchange's calls. The token stands in the header of each request, never in an address; it is kept for this
// tab only.

const KEEP = "dex.token";
const WITHIN = 20000;
const listeners = new Set();
let token = null;
let who = null;

const storage = (use) => {
  try {
    return use(sessionStorage);
  } catch {
    return null; // Storage is closed: the token lives as long as the page.
  }
};
token = storage((it) => it.getItem(KEEP));

/** Why a call gave nothing: `kind` is away, 401, 403, 404, 429 or other. */
export class Refused extends Error {
  constructor(kind, detail, wait = 0) {
    super(detail);
    this.kind = kind;
    this.wait = wait;
  }
}

export const signedIn = () => token !== null;
export const account = () => who;
export const onSession = (listener) => listeners.add(listener);
const tell = () => listeners.forEach((listener) => listener());

/** Whether the account has a role, as far as the page knows; the exchange decides. */
export const hasRole = (role) =>
  (who?.roles ?? []).some((grant) => grant.approved && (grant.role === role || grant.role === "Master"));

export const setToken = (next) => {
  token = next;
  who = null;
  storage((it) => (next === null ? it.removeItem(KEEP) : it.setItem(KEEP, next)));
  tell();
};

/** The headers of a call. */
export const headers = (more = {}) => (token === null ? more : { ...more, "X-Auth-Token": token });

const refusal = async (answer) => {
  const problem = await answer.json().catch(() => ({}));
  const detail = problem.detail ?? problem.title ?? problem.cause ?? `The exchange answered ${answer.status}.`;
  const wait = Number(answer.headers.get("Retry-After") ?? 0);
  if (answer.status === 401) return new Refused("401", detail);
  if (answer.status === 403) return new Refused("403", detail);
  if (answer.status === 404) return new Refused("404", detail);
  if (answer.status === 429) return new Refused("429", detail, wait || 2);
  return new Refused(answer.status >= 502 ? "away" : "other", detail, wait);
};

/** Makes a request; what is no answer, or a refusal, is thrown as `Refused`. */
export const ask = async (path, { signal, ...options } = {}) => {
  const limit = AbortSignal.timeout(WITHIN);
  let answer;
  try {
    answer = await fetch(path, {
      ...options,
      headers: headers(options.headers),
      cache: "no-cache",
      credentials: "omit",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused("away", "The exchange cannot be reached.");
  }
  if (answer.ok) return answer;
  const refused = await refusal(answer);
  if (refused.kind === "401" && token !== null) setToken(null); // It has ended; what is open to all stays open.
  throw refused;
};

export const get = async (path, signal) => (await ask(path, { signal })).json();

/** Looks up who the token is of. */
export const whoami = async () => {
  if (token === null) return;
  who = await get("/api/v1/me").catch(() => null);
  tell();
};

const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const login = async (username, password) => {
  setToken(null);
  const answer = await (await post("/api/users/access_token", { username, password })).json();
  setToken(answer.accessToken);
  await whoami();
};

export const useToken = async (text) => {
  setToken(text);
  try {
    who = await get("/api/v1/me");
  } catch (error) {
    setToken(null);
    throw error;
  }
  tell();
};

export const logout = async () => {
  // A HAT's token cannot be ended here; forgetting it is all there is.
  if (who?.kind === "account") await ask("/api/v1/logout", { method: "POST" }).catch(() => {});
  setToken(null);
};
