// Finds an exchange and shows its path; each step is proven here, not believed.

import { Refused, get, signedIn } from "./api.js";
import { chip, code, facts, h, party, say, seconds, time, title, verdict } from "./dom.js";
import { load } from "./load.js";
import { canCheck, checkNote } from "./note.js";
import { proveStep } from "./proof.js";
import { knownKey } from "./ledger.js";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const direction = { credit: "into the HAT", release: "out of the HAT", pull: "asked of the HAT" };

/** Waits for every proof of a trace, and tells what came of it. */
export const prove = async (trace, keyText) => {
  if (!canCheck()) return { ok: null, why: "this browser lets only pages over https, or from this machine, check signatures", steps: trace.steps.map(() => null) };
  if (!trace.statements) return { ok: null, why: "this trace is too long to come with its proofs", steps: trace.steps.map(() => null) };
  const checkpoint = await checkNote(trace.checkpoint, keyText);
  if (!checkpoint.ok) {
    const failed = { ok: false, why: checkpoint.why, unproven: [] };
    return { ok: false, why: checkpoint.why, steps: trace.steps.map(() => failed) };
  }
  const statements = new Map(trace.statements.map((it) => [it.leaf, it]));
  const steps = [];
  for (const step of trace.steps) steps.push(await proveStep(step, statements.get(step.leaf), checkpoint.note));
  const bad = steps.filter((it) => !it.ok).length;
  const agrees = !trace.status || trace.steps.some((it, at) => steps[at].ok && it.status === trace.status && (it.reason ?? null) === (trace.reason ?? null));
  const why = bad > 0 ? `${bad} of ${steps.length} steps are not what the ledger holds` : agrees ? null : `no step of it is ${trace.status}, as the answer says`;
  return { ok: why === null, why, steps, by: checkpoint.by, note: checkpoint.note };
};

const stepView = (step, proven, first) => {
  const since = first === step ? null : `${seconds((Date.parse(step.at) - Date.parse(first.at)) / 1000)} after the first step`;
  const moved = step.countIn !== undefined || step.countOut !== undefined;
  const box = h(
    "li",
    { class: `step ${step.status ?? ""}`, "data-leaf": String(step.leaf), "data-proven": proven === null ? "unchecked" : String(proven.ok) },
    h("div", { class: "step-head" }, h("h3", {}, step.event), step.status ? chip(step.status) : null, step.reason ? code(step.reason) : null),
    h("p", { class: "quiet" }, time(step.at), since ? ` · ${since}` : null, ` · leaf ${step.leaf}`),
    step.from ? h("p", {}, "Said by ", party(step.from), step.to && step.to !== step.from ? [", for ", party(step.to)] : null) : step.to ? h("p", {}, "For ", party(step.to)) : null,
    proven === null
      ? null
      : proven.ok
        ? verdict(true, `in the ledger: its entry says the same, and ${proven.path} hashes lead to the signed root.${proven.unproven.length ? ` Told beside it: ${proven.unproven.join(", ")}.` : ""}`)
        : verdict(false, `${proven.why}.`),
    h(
      "details",
      {},
      h("summary", {}, "What it says"),
      facts([
        ["Entity", party(step.entity)],
        ["Its entry", String(step.n)],
        ["Message", step.message && code(step.message)],
        ["Subject", step.subject && code(step.subject)],
        ["Direction", step.direction && `${step.direction}: ${direction[step.direction] ?? ""}`],
        ["Right", step.authority && code(step.authority)],
        ["Delivery", step.delivery && code(step.delivery)],
        ["Deadline", step.deadline && time(step.deadline)],
        ["Opened", step.openedAt && time(step.openedAt)],
        ["Records", moved ? `${step.countIn ?? "–"} came, ${step.countOut ?? "–"} delivered` : null],
        ["Bytes", step.bytesIn !== undefined ? `${step.bytesIn} came, ${step.bytesOut} delivered` : null],
        ["Digest of what came", step.digestIn && code(step.digestIn)],
        ["Digest as delivered", step.digestOut && code(step.digestOut)],
        ["Fields left out", step.dropped && JSON.stringify(step.dropped)],
        ["Verdict", step.verdict],
        ["Parts", step.parts && h("ul", {}, step.parts.map((it) => h("li", {}, h("a", { href: `#/exchange/${it.exchange}` }, it.exchange))))],
        ["Rests on", step.basis && h("ul", {}, step.basis.map((it) => h("li", {}, party(it.entity), `, entry ${it.n}`)))],
        ["Leaf hash", proven?.leafHash && code(proven.leafHash)],
      ]),
    ),
  );
  return box;
};

const drawTrace = async (trace, about) => {
  const key = knownKey(about.origin, about.checkpointKey);
  const proven = await prove(trace, key.text);
  if (key.changed) Object.assign(proven, { ok: false, why: "the exchange's checkpoint key is another one than this browser knows: see the page Ledger" });
  const [first, last] = [trace.steps[0], trace.steps[trace.steps.length - 1]];
  const took = seconds((Date.parse(last.at) - Date.parse(first.at)) / 1000);
  const summary =
    proven.ok === null
      ? verdict(null, `${proven.why}.`)
      : proven.ok
        ? verdict(true, `${trace.steps.length === 1 ? "its one step" : `all ${trace.steps.length} steps`}, in this browser: SHA-256 by WebCrypto, the checkpoint's Ed25519 signature by ${proven.by}. The tree has ${proven.note.size} entries.`)
        : verdict(false, `${proven.why}.`);
  summary.id = "verdict";
  say(summary.textContent);
  return [
    h("div", { class: "step-head" }, h("h2", {}, "Path"), trace.status ? chip(trace.status) : null, trace.reason ? code(trace.reason) : null),
    facts([["Id", code(trace.exchange)], ["Steps", `${trace.steps.length}${trace.truncated ? ", the earliest only" : ""}`], ["From the first to the last", trace.steps.length > 1 ? took : null]]),
    summary,
    h("ol", { class: "timeline" }, trace.steps.map((step, at) => stepView(step, proven.steps[at], first))),
    h("p", { class: "quiet" }, "A proof shows that what is told is in the ledger under a checkpoint of the exchange's key. It does not show that nothing was left out."),
  ];
};

const trace = async (id, signal) => {
  try {
    return await get(`/api/v1/exchanges/${id}?proof=true`, signal);
  } catch (error) {
    // More than comes with proofs: told without.
    if (error.kind === "other" && signedIn() && !signal.aborted) return get(`/api/v1/exchanges/${id}`, signal);
    throw error;
  }
};

export const exchange = ({ place, rest, signal, about }) => {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const field = h("input", { id: "exchange-id", name: "id", value: rest[0] ?? "", placeholder: "01890a5d-ac96-774b-bcce-b302099a8057", autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "exchange-hint" });
  const form = h(
    "form",
    {
      class: "search",
      role: "search",
      on: {
        submit: (event) => {
          event.preventDefault();
          const id = field.value.trim().toLowerCase();
          wrong.textContent = ID.test(id) ? "" : "That is no id: it has 36 characters, as in the field's example.";
          if (ID.test(id)) location.hash = `#/exchange/${id}`;
        },
      },
    },
    h("label", { for: "exchange-id" }, "Id of an exchange, its message or its delivery"),
    h("div", { class: "row" }, field, h("button", { type: "submit", class: "main" }, "Find")),
    h("p", { id: "exchange-hint", class: "quiet" }, "A HAT sees exchanges about itself, an account those that its parties have sent, an admin all."),
    wrong,
  );
  const found = h("section", { "aria-label": "What was found", "aria-live": "off" });
  place.append(title("Find an exchange"), form, found);
  if (!rest[0]) return;
  load(
    found,
    signal,
    async (stop) => {
      if (!ID.test(rest[0])) throw new Refused("404", `${rest[0].slice(0, 64)} is no id of an exchange`);
      const [told, known] = await Promise.all([trace(rest[0], stop), about(stop)]);
      return [told, known];
    },
    ([told, known]) => drawTrace(told, known),
  );
};
