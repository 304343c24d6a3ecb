// The ledger: its head, who has signed it, whether it goes on from what this browser saw before, and proofs of leaves.

import { get } from "./api.js";
import { code, facts, h, number, say, table, time, title, verdict } from "./dom.js";
import { load } from "./load.js";
import { canCheck, checkNote, hex, same, unbase64, unhex } from "./note.js";
import { extendsTree, leafHash, rootOf } from "./proof.js";

const keep = (name, value) => {
  try {
    if (value === undefined) return JSON.parse(localStorage.getItem(name));
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Storage is closed, or holds something else: nothing is known from before.
  }
  return null;
};

/**
 * The checkpoint key to go by: the one that this browser saw first, or was told to trust. A server that would lie about its
 * ledger would lie about its key too; so the first one is kept, and another one is a fault.
 */
export const knownKey = (origin, told) => {
  const name = `dex.key.${origin}`;
  const kept = keep(name);
  if (!kept?.text) {
    keep(name, { text: told, since: new Date().toISOString() });
    return { text: told, since: null, changed: false };
  }
  return { text: kept.text, since: kept.since, changed: kept.text !== told };
};

const shut = "This browser lets only pages over https, or from this machine, check signatures.";

/** Whether the ledger goes on from the checkpoint that this browser kept; keeps the newest. */
const goesOn = async (origin, note, text, signal) => {
  const name = `dex.seen.${origin}`;
  const seen = keep(name);
  const now = { size: note.size, root: hex(note.root), note: text, at: new Date().toISOString() };
  if (!seen?.root) {
    keep(name, now);
    return verdict(null, "this browser has seen no earlier checkpoint. It keeps this one and compares the next with it.");
  }
  const root = unhex(seen.root);
  const since = h("span", {}, "the ledger of ", number(seen.size), " entries that this browser saw ", time(seen.at));
  if (seen.size > note.size) return verdict(false, "it is shorter than ", since, ".");
  let ok = seen.size === note.size ? same(root, note.root) : seen.size === 0;
  if (!ok && seen.size < note.size) {
    const proof = await get(`/api/v1/ledger/proof?leaf=0&treeSize=${seen.size}`, signal);
    // The proof may lead to a newer checkpoint than the one on this page: it says which, and that one is checked too.
    ok = await proofLeadsOn(proof, seen, note);
  }
  if (ok) keep(name, now);
  return verdict(ok, ok ? "it goes on from " : "it does not go on from ", since, ".");
};

let keyText = "";
const proofLeadsOn = async (proof, seen, note) => {
  const checked = await checkNote(proof.checkpoint, keyText);
  if (!checked.ok || checked.note.size < note.size) return false;
  return extendsTree(seen.size, unhex(seen.root), checked.note.size, checked.note.root, (proof.consistency ?? []).map(unhex));
};

const signers = (checked) => {
  const rows = [["The exchange", checked.ok ? "verified" : checked.why]];
  for (const other of checked.others) rows.push([`${other.name} (${other.hash})`, "signed too; this page has no key of it to check that by"]);
  return table("Signatures of the checkpoint", ["By", "Verdict"], rows);
};

const proveLeaf = async (leaf, place, signal) => {
  await load(
    place,
    signal,
    (stop) => get(`/api/v1/ledger/proof?leaf=${leaf}`, stop),
    async (proof) => {
      const checked = await checkNote(proof.checkpoint, keyText);
      const made = await leafHash(unhex(proof.commitment));
      const root = await rootOf(made, leaf, checked.note?.size ?? 0, proof.path.map(unhex));
      const ok = checked.ok && root !== null && same(root, checked.note.root);
      const why = !checked.ok ? checked.why : "the path does not lead to the signed root";
      const said = verdict(ok, ok ? `leaf ${leaf} is in the signed tree of ${number(checked.note.size)} entries.` : `${why}.`);
      say(said.textContent);
      return [said, facts([["Commitment", code(proof.commitment)], ["Leaf hash", code(hex(made))], ["Path", h("ol", {}, proof.path.map((it) => h("li", {}, code(it))))]])];
    },
  );
};

export const ledger = ({ place, signal, about }) => {
  const body = h("section", { "aria-label": "Ledger" });
  const refresh = h("button", { type: "button" }, "Look again");
  place.append(title("Ledger", h("div", { class: "tools" }, refresh)), body);
  const draw = async ([known, told]) => {
    const key = knownKey(known.origin, known.checkpointKey);
    keyText = key.text;
    const checked = canCheck() ? await checkNote(told.checkpoint, key.text) : null;
    const trust = h("button", { type: "button" }, "Go by the new key from now on");
    trust.addEventListener("click", () => {
      keep(`dex.key.${known.origin}`, { text: known.checkpointKey, since: new Date().toISOString() });
      show();
    });
    const changed = key.changed && h("div", { class: "failure" }, h("h2", {}, "The checkpoint key is another one"), h("p", {}, "The exchange tells a key that is not the one this browser knows. Ask the operator, by a way that you trust, before you go by it."), facts([["Known", code(key.text)], ["Told now", code(known.checkpointKey)]]), h("p", { class: "actions" }, trust));
    const leaf = h("input", { id: "leaf", inputmode: "numeric", autocomplete: "off", value: String(Math.max(0, told.treeSize - 1)) });
    const found = h("div", { "aria-live": "off" });
    const form = h("form", { class: "search", on: {
      submit: (event) => {
        event.preventDefault();
        const number = /^\d{1,15}$/.test(leaf.value.trim()) ? Number(leaf.value.trim()) : null;
        if (number === null) found.replaceChildren(h("p", { class: "wrong", role: "alert" }, "A leaf is a whole number from 0 on."));
        else proveLeaf(number, found, signal);
      },
    } }, h("label", { for: "leaf" }, "Number of a leaf, from 0"), h("div", { class: "row" }, leaf, h("button", { type: "submit", class: "main" }, "Prove")), found);
    const head = checked === null ? verdict(null, shut) : verdict(checked.ok && !key.changed, checked.ok ? (key.changed ? "signed by the key that this browser knows, but the exchange tells another one." : `signed by the exchange's key: Ed25519 by ${checked.by}, SHA-256 by WebCrypto.`) : `${checked.why}.`);
    head.id = "verdict";
    say(head.textContent);
    const root = told.checkpoint.split("\n")[2] ?? "";
    return [
      changed,
      h("h2", {}, "Head"),
      facts([
        ["Origin", code(told.origin)],
        ["Entries", number(told.treeSize)],
        ["Root", code(hex(unbase64(root)))],
        ["Checkpoint key", code(key.text)],
        ["Known to this browser", key.since ? time(key.since) : "from now on"],
      ]),
      head,
      checked?.ok ? await goesOn(known.origin, checked.note, told.checkpoint, signal) : null,
      h("p", { class: "quiet" }, "Compare the key with the one that the operator publishes: a page cannot vouch for the server that it came from."),
      h("h2", {}, "Witnesses"),
      checked && checked.others.length > 0
        ? signers(checked)
        : h("p", { class: "empty", id: "witnesses" }, "No witness is configured: nobody but the exchange signs its checkpoints. What this browser keeps above is a witness of its own."),
      h("details", {}, h("summary", {}, "The checkpoint as it was signed"), h("pre", { tabindex: "0" }, told.checkpoint)),
      h("h2", {}, "Prove a leaf"),
      canCheck() ? form : h("p", { class: "hint" }, shut),
    ];
  };
  const show = () => load(body, signal, (stop) => Promise.all([about(stop), get("/api/v1/ledger/checkpoint", stop)]), draw);
  refresh.addEventListener("click", show);
  show();
};
