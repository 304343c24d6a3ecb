// Who takes part: lists by kind, and a page for each HAT, plug, offer or other party.

import { get } from "./api.js";
import { chip, code, facts, h, link, number, party, say, table, time, title } from "./dom.js";
import { load } from "./load.js";

const KINDS = {
  plugs: ["Plugs", "No plug is registered here."],
  apps: ["Applications", "No application is registered here."],
  orgs: ["Organisations", "No organisation is registered here."],
  platforms: ["Platforms", "No platform is certified here."],
  offers: ["Offers", "No offer is registered here."],
  hats: ["HATs", "No HAT is registered here."],
};
const LIMIT = 50;

const name = (profile) => profile?.name ?? profile?.manifest?.info?.name ?? "";
const waits = (item) => (item.pending?.length ? `${item.pending.length} wait for approval` : "");

const rowOf = (kind) => {
  if (kind === "offers") {
    return [["Offer", "Title", "Standing", "Owner", "Places taken", "Until"], (it) => [
      link(`offer/${it.offer}`, it.offer), it.title ?? "", chip(it.standing), it.owner ? party(it.owner) : "",
      it.maxClaims === undefined ? "" : `${number((it.reserved ?? 0) + (it.confirmed ?? 0))} of ${number(it.maxClaims)}`, time(it.expires),
    ]];
  }
  if (kind === "hats") return [["Party", "Standing"], (it) => [party(it.party), chip(it.standing)]];
  return [["Party", "Name", "Standing", "Waiting"], (it) => [party(it.party), name(it.profile), chip(it.standing), waits(it)]];
};

export const parties = ({ place, rest, signal }) => {
  const kind = KINDS[rest[0]] ? rest[0] : "plugs";
  const [text, empty] = KINDS[kind];
  const tabs = Object.entries(KINDS).map(([id, [label]]) => {
    const item = link(`parties/${id}`, label);
    if (id === kind) item.setAttribute("aria-current", "true");
    return h("li", {}, item);
  });
  const list = h("section", { "aria-label": text });
  place.append(title(text), h("nav", { class: "tabs", "aria-label": "Kinds of parties" }, h("ul", {}, tabs)), list);
  const [heads, row] = rowOf(kind);
  const items = [];
  const page = (cursor) =>
    load(
      list,
      signal,
      (stop) => get(`/api/v1/${kind}?limit=${LIMIT}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, stop),
      (answer) => {
        items.push(...answer.items);
        const more = answer.next && h("p", { class: "actions" }, h("button", { type: "button", on: { click: () => page(answer.next) } }, "More"));
        if (cursor) say(`${items.length} are shown.`);
        return [table(`${text}: ${items.length}${answer.next ? " so far" : ""}`, heads, items.map(row), empty), more];
      },
      { quiet: Boolean(cursor) },
    );
  page();
};

const keys = (it) =>
  table("Keys", ["Key", "From", "Until", "In force"], (it.keys ?? []).map((key) => [
    code(key.key), time(key.from), key.until ? time(key.until) : "–", key.inForce ?? !key.until ? "yes" : "no",
  ]), "No key: somebody else speaks for it.");

const pending = (it) =>
  (it.pending?.length ?? 0) > 0 &&
  table("Waiting for approval", ["Key", "Name", "Since"], it.pending.map((one) => [code(one.fingerprint ?? one.key), name(one.profile), time(one.at)]));

const manifest = (profile) => {
  const it = profile?.manifest;
  return it && h("details", {}, h("summary", {}, "Manifest"), h("pre", { tabindex: "0" }, JSON.stringify(it, null, 2)));
};

const common = (it) => [
  facts([
    ["Standing", chip(it.standing)],
    ["Name", name(it.profile)],
    ["Namespace", it.profile?.namespace && code(it.profile.namespace)],
    ["Domain", it.profile?.domain && code(it.profile.domain)],
    ["Platform", it.platform && party(String(it.platform).includes(":") ? it.platform : `platform:${it.platform}`)],
    ["Said by its entry", it.basis?.n !== undefined ? `${it.basis.n}${it.basis.leaf === undefined ? "" : `, leaf ${it.basis.leaf}`}` : null],
    ["Classes that it may be given", it.classes?.join(", ")],
  ]),
  pending(it),
  keys(it),
  manifest(it.profile),
];

const one = ({ place, signal }, heading, ask, draw) => {
  const body = h("section", { "aria-label": heading });
  place.append(title(heading), body);
  load(body, signal, ask, draw);
};

const plugHealth = (it) =>
  it.health && [
    h("h2", {}, "How it does"),
    facts([
      ["Standing", chip(it.health.standing)],
      ["Connected HATs", it.connections === undefined ? null : number(it.connections)],
      ["HATs that are asked", it.connecting === undefined ? null : number(it.connecting)],
      ["Jobs done", number(it.health.jobsDone)],
      ["Jobs failed", number(it.health.jobsFailed)],
      ["Failures in a row", number(it.health.failures)],
      ["Lag", it.health.lagSeconds === undefined ? null : `${number(it.health.lagSeconds)} s`],
      ["Fresh until", it.health.freshUntil && time(it.health.freshUntil)],
      ["Last error", it.health.error],
    ]),
  ];

const history = (it) =>
  it.history &&
  table("History", ["Entry", "What", "By", "When", "Why"], it.history.slice().reverse().map((line) => [
    `${line.n}, leaf ${line.leaf}`, line.what, line.by ? party(line.by) : "–", time(line.at), line.why ?? "",
  ]));

export const plug = (context) => {
  const id = context.rest[0] ?? "";
  one(context, `plug:${id}`, (stop) => get(`/api/v1/plugs/${encodeURIComponent(id)}`, stop), (it) => [
    common(it),
    plugHealth(it),
    history(it),
    it.history ? null : h("p", { class: "hint" }, "Its history, its connections and how its jobs do are shown to its owner and to accounts with the role ViewDataPlugs."),
  ]);
};

const debits = (list) =>
  table("Data debits", ["Debit", "Standing", "Client", "Purpose", "Revision"], list.map((it) => [
    code(it.debit), chip(it.standing), it.client ? party(it.client) : "–", it.purpose ?? "", `${it.revision ?? "–"} of ${it.revisions ?? "–"}`,
  ]), "No data debit.");

const ids = (list, kind) => (list?.length ? h("ul", { class: "inline" }, list.map((id) => h("li", {}, party(`${kind}:${id}`)))) : "none");

export const hat = (context) => {
  const id = context.rest[0] ?? "";
  one(context, `hat:${id}`, (stop) => get(`/api/v1/hats/${encodeURIComponent(id)}`, stop), (it) => [
    common(it),
    h("h2", {}, "Connections"),
    facts([
      ["Plugs", ids(it.plugs, "plug")],
      ["Plugs that ask", it.connecting?.length ? ids(it.connecting.map((one) => one.plug), "plug") : null],
      ["Applications", ids(it.apps, "app")],
      ["Offers claimed", it.claims?.length ? ids(it.claims, "offer") : null],
      ["Open exchanges", number(it.openExchanges)],
      ["Entries in the ledger", number(it.entries)],
    ]),
    debits(it.debits ?? []),
    it.debitCount > (it.debits?.length ?? 0) ? h("p", { class: "hint" }, `The first ${it.debits.length} of ${it.debitCount}.`) : null,
  ]);
};

export const offer = (context) => {
  const id = context.rest[0] ?? "";
  one(context, `offer:${id}`, (stop) => get(`/api/v1/offers/${encodeURIComponent(id)}`, stop), (it) => [
    facts([
      ["Title", it.title],
      ["Standing", chip(it.standing)],
      ["Owner", it.owner && party(it.owner)],
      ["Runs", [time(it.starts), " to ", time(it.expires)]],
      ["Places", `${number(it.confirmed)} confirmed, ${number(it.reserved)} reserved, of ${number(it.maxClaims)}`],
      ["Minimum", `${number(it.minClaims)}${it.satisfied ? ", reached" : ""}`],
      ["Without personal data", it.terms?.debit?.withoutPii ? "yes: the owner knows HATs by pseudonyms" : "no"],
      ["Purpose", it.terms?.debit?.purpose],
      ["Entries in the ledger", it.entries === undefined ? null : number(it.entries)],
    ]),
    it.terms ? h("details", {}, h("summary", {}, "Terms"), h("pre", { tabindex: "0" }, JSON.stringify(it.terms, null, 2))) : null,
  ]);
};

export const partyPage = (context) => {
  const address = context.rest[0] ?? "";
  one(context, address || "Party", (stop) => get(`/api/v1/trust/${encodeURIComponent(address)}`, stop), (it) => [
    it.standing === "unknown" ? h("p", { class: "empty" }, "Nobody of this name was ever registered here.") : common(it),
  ]);
};
