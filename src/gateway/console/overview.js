// The overview: figures of the last minutes as they change.

import { signedIn } from "./api.js";
import { Chart } from "./chart.js";
import { h, number, say, seconds, title } from "./dom.js";
import { follow } from "./live.js";
import { windows } from "./windows.js";

const STATUSES = [
  { label: "accepted", color: "--calm" },
  { label: "settled", color: "--good" },
  { label: "rejected", color: "--bad", dash: true },
  { label: "disputed", color: "--warn", dash: true },
  { label: "expired", color: "--odd", dash: true },
];
const REASONS = ["--bad", "--warn", "--odd", "--calm", "--good"];

const tile = (name, what) => {
  const value = h("b", {}, "–");
  return [h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, h("small", {}, what))), value];
};

const rate = (value) => (value === null || value === undefined ? "–" : number(value));

/** Reasons of all frames, the most frequent first; at most five have a line of their own. */
const topReasons = (frames) => {
  const sums = {};
  for (const frame of frames) {
    for (const part of [frame.reasons, frame.disputes, frame.unauthenticated]) {
      for (const [reason, value] of Object.entries(part ?? {})) sums[reason] = (sums[reason] ?? 0) + value;
    }
  }
  return Object.entries(sums).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([reason]) => reason);
};
const reasonRate = (frame, reason) =>
  (frame.reasons?.[reason] ?? 0) + (frame.disputes?.[reason] ?? 0) + (frame.unauthenticated?.[reason] ?? 0);

export const overview = ({ place, signal }) => {
  const state = h("span", { class: "chip calm", id: "stream", role: "status" }, "connecting");
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const [settled, settledValue] = tile("Settled", "a second, mean of 10\u00a0s");
  const [refused, refusedValue] = tile("Rejected", "a second, mean of 10\u00a0s");
  const [open, openValue] = tile("Open exchanges", "not ended yet");
  const [head, headValue] = tile("Ledger", "entries");
  const [outcome, outcomeValue] = tile("First outcome", "99 of 100 within");
  const [settle, settleValue] = tile("Settlement", "99 of 100 within");
  const charts = h("div", { class: "charts" });
  const inside = h("section", { "aria-labelledby": "inside" });
  const recent = h("section", { hidden: true });
  const empty = h("p", { class: "empty", hidden: true }, "Nothing has been exchanged in the last minutes. The charts move with the first message.");
  place.append(
    title("Overview", h("div", { class: "tools" }, state, pause)),
    h("dl", { class: "tiles" }, settled, refused, open, head, outcome, settle),
    empty,
    charts,
    recent,
    inside,
  );

  const status = new Chart("Exchanges by status", "reached a second", STATUSES, number);
  const latency = new Chart("Latency", "99 of 100 within, over 10 s", [
    { label: "first outcome", color: "--calm" },
    { label: "settlement", color: "--good", dash: true },
  ], seconds);
  const opened = new Chart("Open exchanges", "not ended", [{ label: "open", color: "--calm" }], number);
  const growth = new Chart("Ledger", "entries a second", [{ label: "entries", color: "--good" }], number);
  const all = [status, latency, opened, growth];
  charts.append(...all.map((chart) => chart.root));

  let reasons = null;
  let reasonNames = "";
  let lag = null;
  let partitions = 0;
  const insideHead = h("h2", { id: "inside" }, "Inside");
  const shut = h("p", { class: "hint" }, signedIn()
    ? "Reasons, lag and partitions are shown to accounts with the role ViewDataStats."
    : "Reasons, lag and partitions are shown to who signs in with the role ViewDataStats.");
  const insideCharts = h("div", { class: "charts" });
  inside.append(insideHead, shut, insideCharts);

  const drawInside = (frames, times) => {
    shut.hidden = true;
    const names = topReasons(frames).slice(0, REASONS.length);
    if (names.join() !== reasonNames || !reasons) {
      reasonNames = names.join();
      reasons?.end();
      const lines = names.map((label, at) => ({ label, color: REASONS[at], dash: at > 0 }));
      const next = new Chart("Refused and disputed, by reason", names.length ? "a second, the most frequent" : "none in these minutes", lines.length ? lines : [{ label: "none", color: "--good" }], number);
      if (reasons) reasons.root.replaceWith(next.root);
      else insideCharts.prepend(next.root);
      reasons = next;
    }
    reasons.update(times, names.length ? names.map((name) => frames.map((it) => reasonRate(it, name))) : [frames.map(() => 0)]);
    const last = frames[frames.length - 1];
    if (!lag || partitions !== last.partitions.length) {
      partitions = last.partitions.length;
      lag?.end();
      const next = new Chart("Intake", "messages that wait, all partitions, and live actors", [
        { label: "lag", color: "--bad" },
        { label: "live actors", color: "--calm", dash: true },
      ], number);
      if (lag) lag.root.replaceWith(next.root);
      else insideCharts.append(next.root);
      lag = next;
    }
    const sum = (frame, at) => frame.partitions.reduce((total, it) => total + it[at], 0);
    lag.update(times, [frames.map((it) => sum(it, 0)), frames.map((it) => sum(it, 2))]);
  };

  let asked = false;
  const mean = (frames, name) => frames.reduce((sum, it) => sum + it.rates[name], 0) / Math.max(1, frames.length);
  const draw = (frames, full, known) => {
    if (frames.length === 0) return;
    const last = frames[frames.length - 1];
    const newest = frames.slice(-10);
    settledValue.textContent = rate(mean(newest, "settled"));
    refusedValue.textContent = rate(mean(newest, "rejected"));
    openValue.textContent = number(last.open);
    headValue.textContent = number(last.treeSize);
    outcomeValue.textContent = seconds(last.outcome?.p99);
    settleValue.textContent = seconds(last.settle?.p99);
    empty.hidden = frames.some((it) => Object.values(it.rates).some((value) => value > 0));
    const times = frames.map((it) => it.at / 1000);
    status.update(times, STATUSES.map(({ label }) => frames.map((it) => it.rates[label])));
    latency.update(times, [frames.map((it) => it.outcome?.p99 ?? null), frames.map((it) => it.settle?.p99 ?? null)]);
    opened.update(times, [frames.map((it) => it.open)]);
    growth.update(times, [frames.map((it, at) => (at === 0 ? null : Math.max(0, it.treeSize - frames[at - 1].treeSize) / Math.max(0.2, (it.at - frames[at - 1].at) / 1000)))]);
    if (full) drawInside(frames, times);
    if (known && full && !asked) {
      asked = true;
      windows(recent, signal);
    }
  };

  let paused = false;
  let latest = null;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    say(paused ? "The figures stand still." : "The figures move again.");
    if (!paused && latest) draw(...latest);
  });
  const recolour = () => [...all, reasons, lag].forEach((chart) => chart?.recolour());
  document.addEventListener("recolour", recolour, { signal });
  signal.addEventListener("abort", () => [...all, reasons, lag].forEach((chart) => chart?.end()), { once: true });
  follow(signal, {
    frames: (...now) => {
      latest = now;
      if (!paused) draw(...now);
    },
    state: (name, wait) => {
      const text = name === "waiting" ? `interrupted: again in ${Math.round(wait / 1000)} s` : name;
      if (state.textContent !== text) state.textContent = text;
      state.className = `chip ${name === "live" ? "good" : name === "waiting" ? "bad" : "calm"}`;
    },
  });
};
