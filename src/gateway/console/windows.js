// The rolling windows of statistics, where the exchange keeps them and the token may see them; else nothing is shown.

import { get } from "./api.js";
import { code, h, number, pause, seconds, table } from "./dom.js";

const EVERY = 10000;
const NAMES = { "1m": "One minute", "5m": "Five minutes", "1h": "One hour", "24h": "One day", "30d": "Thirty days" };

const words = (name) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(/^./, (letter) => letter.toUpperCase());

const times = (name, of) => (of?.count > 0 ? [[name, `${seconds(of.p50)} half of them, ${seconds(of.p99)} 99 of 100`]] : []);

const rows = (it) => [
  ...Object.entries(it.perSecond ?? {}).map(([name, value]) => [words(name), `${number(value)} a second`]),
  ...Object.entries(it.uniques ?? {}).map(([name, value]) => [`Different ${name === "hats" ? "HATs" : name}`, `about ${number(value)}`]),
  ...times("First outcome", it.outcomeSeconds),
  ...times("Settlement", it.settleSeconds),
];

const top = (caption, list) =>
  (list?.length ?? 0) > 0 && table(caption, ["Endpoint", "Records"], list.slice(0, 10).map((it) => [code(it.endpoint), number(it.records)]));

/** Fills `place`, a hidden section, and keeps it fresh until `signal` ends it. */
export const windows = async (place, signal) => {
  const choice = h("select", { id: "window" }, Object.entries(NAMES).map(([id, name]) => h("option", { value: id }, name)));
  choice.value = "5m";
  const body = h("div", {});
  place.append(h("div", { class: "title" }, h("h2", {}, "Rolling windows"), h("label", { for: "window", class: "side" }, h("span", {}, "Window "), choice)), body);
  const look = async () => {
    const it = await get(`/api/stats/window?window=${choice.value}`, signal);
    if (it.window && it.window !== choice.value) return; // Another one was chosen meanwhile.
    const made = [
      table(`${NAMES[choice.value]}, by event time`, ["What", "Figure"], rows(it), "Nothing happened in this window."),
      top("Most records into HATs", it.topIn),
      top("Most records out of HATs", it.topOut),
      it.asOf?.treeSize !== undefined ? h("p", { class: "quiet" }, `As of the first ${number(it.asOf.treeSize)} entries of the ledger.`) : null,
    ];
    body.replaceChildren(...made.filter(Boolean));
    place.hidden = false;
  };
  choice.addEventListener("change", () => look().catch(() => {}));
  while (!signal.aborted) {
    try {
      await look();
    } catch (error) {
      // It is turned off, or not for this token: nothing is missing for those who cannot have it.
      if (["401", "403", "404"].includes(error.kind)) {
        place.hidden = true;
        return;
      }
    }
    await pause(EVERY, signal);
  }
};
