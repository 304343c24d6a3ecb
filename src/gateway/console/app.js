// The frame around the pages: addresses after the #, the head, the theme, how the exchange stands.

import { get, onSession, whoami } from "./api.js";
import { h, link, say } from "./dom.js";
import { drawWho } from "./login.js";
import { exchange } from "./exchange.js";
import { ledger } from "./ledger.js";
import { actors, dead } from "./operation.js";
import { overview } from "./overview.js";
import { hat, offer, parties, partyPage, plug } from "./parties.js";

const PAGES = [
  ["", "Overview", ["overview"]],
  ["exchange", "Exchanges", ["exchange"]],
  ["parties/plugs", "Parties", ["parties", "plug", "hat", "offer", "party"]],
  ["ledger", "Ledger", ["ledger"]],
  ["actors", "Actors", ["actors"]],
  ["dead", "Dead letters", ["dead"]],
];
const VIEWS = { overview, exchange, parties, plug, hat, offer, party: partyPage, ledger, actors, dead };
const LOOK_EVERY = 10000;

const main = document.getElementById("main");
const standing = document.getElementById("standing");
const away = document.getElementById("away");
let leave = new AbortController();
let about = null;
let drawn = false;

/** What is known of the exchange: asked once, and again when it was away. */
export const exchangeFacts = async (signal) => {
  about ??= await get("/api/v1/exchange", signal);
  return about;
};

const where = () => {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return [name || "overview", rest.filter((part) => part !== "")];
};

const drawNav = (name) => {
  const links = PAGES.map(([to, text, names]) => {
    const item = link(to, text);
    if (names.includes(name)) item.setAttribute("aria-current", "page");
    return h("li", {}, item);
  });
  document.getElementById("pages").replaceChildren(h("ul", {}, links));
};

const lost = (context) => {
  context.place.append(h("h1", { tabindex: "-1" }, "No such page"), h("p", {}, "The address leads nowhere. ", link("", "To the overview")));
};

const show = (again = false) => {
  leave.abort();
  leave = new AbortController();
  const [name, rest] = where();
  drawNav(name);
  main.replaceChildren();
  const context = { place: main, rest, signal: leave.signal, about: exchangeFacts };
  (VIEWS[name] ?? lost)(context);
  const head = main.querySelector("h1");
  document.title = `${head?.textContent ?? "Console"} · ${about?.origin ?? "Data exchange"}`;
  if (drawn && !again) {
    head?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    say(head?.textContent ?? "");
  }
  drawn = true;
};

const look = async () => {
  try {
    about = await get("/api/v1/exchange");
    document.getElementById("origin").textContent = about.origin;
    document.title = document.title.replace(/ · .*$/, ` · ${about.origin}`);
    const word = about.ready ? "ready" : "not ready";
    if (standing.textContent !== word) standing.textContent = word;
    standing.className = `chip ${about.ready ? "good" : "bad"}`;
    away.hidden = true;
  } catch (error) {
    if (standing.textContent !== "away") standing.textContent = "away";
    standing.className = "chip bad";
    const text = "The exchange does not answer. What you see is what it said before.";
    if (away.hidden) away.textContent = text;
    away.hidden = error.kind === "429";
  }
};

const THEMES = { system: "light", light: "dark", dark: "system" };
const theme = document.getElementById("theme");
const themeNow = () => document.documentElement.dataset.theme ?? "system";
const drawTheme = () => (theme.textContent = `Theme: ${themeNow()}`);
theme.addEventListener("click", () => {
  const next = THEMES[themeNow()];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem("dex.theme");
    else localStorage.setItem("dex.theme", next);
  } catch {
    // Storage is closed: the theme lasts as long as the page.
  }
  drawTheme();
  document.dispatchEvent(new Event("recolour"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("recolour")));

const who = document.getElementById("who");
let signedAs = null;
onSession(() => {
  drawWho(who);
  const next = who.textContent;
  if (next !== signedAs) show(true);
  signedAs = next;
});

window.addEventListener("hashchange", () => show());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
drawTheme();
drawWho(who);
signedAs = who.textContent;
show();
look();
whoami();
setInterval(look, LOOK_EVERY);
performance.mark("interactive");
