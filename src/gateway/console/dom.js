// Makes elements and writes numbers, times and ids. Text is only ever set as text, never as markup.

/** An element: `h("p", { class: "x", on: { click } }, "text", other)`. Attributes that are null or false are left out. */
export const h = (name, props = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else if (key === "value" || key === "disabled" || key === "hidden" || key === "open" || key === "checked") {
      element[key] = value;
    } else {
      element.setAttribute(key, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

/** Says something to screen readers. */
export const say = (text) => {
  const place = document.getElementById("said");
  if (place.textContent !== text) place.textContent = text;
};

/** 12 · 3.4 · 0.05 · 12,345 */
export const number = (value) => {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString("en-GB", { maximumFractionDigits: digits });
};

/** Seconds as a person reads them. */
export const seconds = (value) => {
  if (value === null || value === undefined) return "–";
  if (value < 1) return `${number(Math.round(value * 10000) / 10)} ms`;
  if (value < 120) return `${number(value)} s`;
  if (value < 7200) return `${number(value / 60)} min`;
  return value < 172800 ? `${number(value / 3600)} h` : `${number(value / 86400)} d`;
};

/** A time, in the reader's zone; what was said stands in its attribute. */
export const time = (text) => {
  if (!text) return "–";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  const day = at.toDateString() === new Date().toDateString() ? "" : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, `;
  const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const part = /\.(\d{1,3})/.exec(text);
  return h("time", { datetime: text, title: text }, `${day}${clock}${part ? `.${part[1].padEnd(3, "0")}` : ""}`);
};

export const code = (text) => h("code", {}, String(text));

const TONES = {
  settled: "good", active: "good", approved: "good", verified: "good", alive: "good", confirmed: "good", satisfied: "good",
  accepted: "calm", pending: "calm", registered: "calm", reserved: "calm", waits: "calm", oversubscribed: "calm",
  rejected: "bad", disputed: "bad", expired: "bad", failed: "bad", suspended: "bad", retired: "bad", quarantined: "bad",
};

/** A word in a frame. The word itself says it; the colour only helps. */
export const chip = (word, tone = TONES[word] ?? "calm") => h("span", { class: `chip ${tone}` }, String(word));

/** What a check came to: true, false, or null where nothing was checked. */
export const verdict = (ok, ...text) => {
  const [tone, word] = ok === null ? ["calm", "Not checked"] : ok ? ["good", "Verified"] : ["bad", "Failed"];
  return h("p", { class: `verdict ${tone}` }, h("b", {}, word), " ", text);
};

/** Waits so many milliseconds, or until `signal` ends it. */
export const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/** Names and values; what has no value is left out. */
export const facts = (list) => {
  const shown = list.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
};

/** A table with a caption that everybody reads; on narrow pages each row is a card. */
export const table = (caption, heads, rows, empty = "Nothing here yet.") => {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  // The roles are said because narrow pages lay rows out as blocks, and browsers then forget what they are.
  const cell = (value, at) =>
    at === 0 ? h("th", { scope: "row", role: "rowheader" }, value) : h("td", { role: "cell", "data-head": heads[at] }, value);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { role: "table" },
      h("caption", {}, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))),
      h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row" }, row.map(cell)))),
    ),
  );
};

/** The head of a page. */
export const title = (text, ...more) => h("div", { class: "title" }, h("h1", { tabindex: "-1" }, text), ...more);

/** A link to another page of the console. */
export const link = (to, text) => h("a", { href: `#/${to.split("/").map(encodeURIComponent).join("/")}` }, text);

/** A party as a link to its page. */
export const party = (address) => {
  const text = String(address);
  const at = text.indexOf(":");
  const [kind, id] = [text.slice(0, at), text.slice(at + 1)];
  const pages = { hat: "hat", plug: "plug", offer: "offer", app: "party", org: "party", platform: "party", bridge: "party", operator: "party" };
  if (!pages[kind] || !id) return code(text);
  return link(pages[kind] === "party" ? `party/${text}` : `${pages[kind]}/${id}`, text);
};
