// What operators look at: the actors, and what could not be worked on.

import { get } from "./api.js";
import { chip, code, h, number, pause, say, table, time, title } from "./dom.js";
import { load } from "./load.js";

const EVERY = 3000;
const LOOK_BACK = 5000;
const ROWS_MAX = 2000;
const LIMIT = 200;

const sum = (list, name) => list.reduce((total, it) => total + it[name], 0);

const branch = (partition, most) => {
  const faults = sum(partition.kinds, "quarantined");
  return h(
    "li",
    {},
    h(
      "details",
      { open: true, "data-partition": String(partition.partition) },
      h("summary", {}, `Partition ${partition.partition}: ${number(partition.live)} of ${number(most)} live, mailbox ${number(partition.mailbox)}`, faults > 0 ? [" ", chip("quarantined")] : null),
      table(`Entities of partition ${partition.partition}`, ["Kind", "Live", "Quarantined", "Restarted", "Times quarantined"], partition.kinds.map((it) => [
        it.kind, number(it.live), number(it.quarantined), number(it.restarts), number(it.quarantines),
      ]), "No entity is live: they rest on disk until a message comes."),
      h("p", { class: "quiet" }, `${number(partition.lagMessages)} messages wait in the input · ${number(partition.held)} held back · ${number(partition.inFlight)} batches being committed · ${number(partition.openExchanges)} open exchanges`),
    ),
  );
};

const check = (checks, name) => {
  const found = checks.find((it) => it.name === name);
  return found ? [" ", chip(found.ok ? "alive" : "failed"), found.ok ? null : ` ${found.detail}`] : null;
};

const tree = (it) => {
  const others = it.checks.filter((one) => !/^partition-\d+$|-actor$/.test(one.name));
  return [
    h("p", { class: it.quarantined > 0 ? "verdict bad" : "verdict good" }, it.quarantined > 0 ? `${number(it.quarantined)} entities are quarantined: their messages are answered internal.` : "No entity is quarantined."),
    h(
      "ul",
      { class: "tree" },
      h("li", {}, "Ledger: commits and syncs", check(it.checks, "ledger-actor")),
      h("li", {}, "Dispatch: publishes what is committed", check(it.checks, "dispatch-actor"), it.dispatch ? ` · ${number(it.dispatch.waiting)} of ${number(it.dispatch.most)} places of its queue are taken` : null),
      h("li", {}, "Snapshot: writes rows", check(it.checks, "snapshot-actor"), ` · ${number(it.tailEntries)} entries are not in rows yet`),
      it.partitions.map((one) => branch(one, it.liveMost)),
    ),
    table("Checks", ["Check", "Stands", "What it says"], others.map((one) => [one.name, chip(one.ok ? "well" : "failed", one.ok ? "good" : "bad"), one.detail])),
    h("p", { class: "quiet" }, "Restarts and quarantines are counted since the daemon's start. A mailbox is never asked: its depth is what was handed to entities and is not answered yet."),
  ];
};

export const actors = async ({ place, signal }) => {
  const body = h("section", { "aria-label": "Actors" });
  const stop = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  let paused = false;
  stop.addEventListener("click", () => {
    paused = !paused;
    stop.setAttribute("aria-pressed", String(paused));
    stop.textContent = paused ? "Go on" : "Pause";
    say(paused ? "The figures stand still." : "The figures move again.");
  });
  place.append(title("Actors", h("div", { class: "tools" }, stop)), body);
  const shut = new Set();
  let first = true;
  while (!signal.aborted) {
    if (!paused) {
      const focused = body.contains(document.activeElement);
      // Who reads or walks through it by keys is not to lose the place.
      if (!focused) {
        body.querySelectorAll("details").forEach((it) => (it.open ? shut.delete(it.dataset.partition) : shut.add(it.dataset.partition)));
        await load(body, signal, (ended) => get("/api/actors", ended), tree, { quiet: !first });
        body.querySelectorAll("details").forEach((it) => (it.open = !shut.has(it.dataset.partition)));
        first = false;
      }
    }
    await pause(EVERY, signal);
  }
};

const KINDS = { "dead-letter": "dead letter", refused: "refused" };

const row = (it) => [
  String(it.leaf),
  chip(KINDS[it.kind] ?? it.kind, it.kind === "dead-letter" ? "bad" : "calm"),
  code(it.reason),
  time(it.at),
  it.kind === "refused" ? `${number(it.count)} in this second, before their sender was known` : [code(it.subject), ` · message ${number(it.sequence)} · `, h("span", { class: "quiet", title: it.body }, `digest ${String(it.body).slice(0, 12)}…`)],
];

/** The rows of a stretch of the ledger, by pages. */
const stretch = async (from, to, signal) => {
  const rows = [];
  let after = from - 1;
  for (;;) {
    const page = await get(`/api/v1/dead-letters?limit=${LIMIT}${after >= 0 ? `&after=${after}` : ""}`, signal);
    rows.push(...page.items.filter((it) => it.leaf < to));
    if (page.next === undefined || page.next >= to - 1 || rows.length >= ROWS_MAX) return [rows, rows.length >= ROWS_MAX];
    after = page.next;
  }
};

export const dead = ({ place, signal }) => {
  const body = h("section", { "aria-label": "Dead letters" });
  place.append(
    title("Dead letters"),
    h("p", {}, "Messages that could not be worked on, kept by their facts, and how many were refused before their sender was authenticated. Newest first."),
    body,
  );
  const show = (end) =>
    load(
      body,
      signal,
      async (stop) => {
        const size = end ?? (await get("/api/v1/ledger/checkpoint", stop)).treeSize;
        const from = Math.max(0, size - LOOK_BACK);
        return [from, size, ...(await stretch(from, size, stop))];
      },
      ([from, size, rows, cut]) => [
        table(`Leaves ${number(from)} to ${number(Math.max(0, size - 1))}: ${rows.length}${cut ? ", the first ones" : ""}`, ["Leaf", "What", "Reason", "When", "Facts"], rows.reverse().map(row), "None in this stretch of the ledger."),
        h("p", { class: "actions" },
          from > 0 ? h("button", { type: "button", on: { click: () => show(from) } }, "Earlier leaves") : null,
          end === undefined ? h("button", { type: "button", on: { click: () => show() } }, "Look again") : h("button", { type: "button", on: { click: () => show() } }, "Newest leaves")),
      ],
    );
  show();
};
