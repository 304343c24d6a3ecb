// The stream of live figures. Read by fetch, so that the token goes in a header and never into an address; opened again by
// itself when it breaks, after longer and longer pauses.

import { headers, setToken, signedIn } from "./api.js";
import { pause } from "./dom.js";

const PAST = 180;
const SILENCE = 10000;
const AGAIN = 1000;
const PAUSE_MAX = 30000;

/** The events of a piece of text, and what is left of it. */
export const events = (text) => {
  const parts = text.split("\n\n");
  const rest = parts.pop();
  const read = parts.map((part) => {
    const event = { name: "message", data: [] };
    for (const line of part.split("\n")) {
      const at = line.indexOf(":");
      const [field, value] = [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
      if (field === "event") event.name = value;
      if (field === "data") event.data.push(value);
    }
    return { name: event.name, data: event.data.join("\n") };
  });
  return [read, rest];
};

/**
 * Follows the stream until `signal` ends it. `on.frames(frames, full)` is told the frames that are known; `on.state` is
 * told connecting, live or waiting with the milliseconds until the next try.
 */
export const follow = async (signal, on) => {
  let frames = [];
  let full = false;
  let windows = false;
  let again = AGAIN;
  while (!signal.aborted) {
    on.state("connecting", 0);
    const stop = new AbortController();
    const end = () => stop.abort();
    signal.addEventListener("abort", end, { once: true });
    let silence = setTimeout(end, SILENCE);
    let wait = null;
    try {
      const answer = await fetch("/api/live", {
        headers: headers({ Accept: "text/event-stream" }),
        cache: "no-store",
        credentials: "omit",
        signal: stop.signal,
      });
      if (answer.status === 401 && signedIn()) {
        setToken(null);
        continue;
      }
      if (!answer.ok) {
        wait = Number(answer.headers.get("Retry-After") ?? 0) * 1000;
        throw new Error(`answered ${answer.status}`);
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE);
        const [read, left] = events(rest + value);
        rest = left;
        for (const event of read) {
          const data = JSON.parse(event.data);
          if (event.name === "past") {
            ({ frames, full, windows } = data);
          } else if (event.name === "frame") {
            frames.push(data);
            if (frames.length > PAST) frames.splice(0, frames.length - PAST);
          }
          again = AGAIN;
        }
        if (read.length > 0) {
          on.state("live", 0);
          on.frames(frames, full, windows);
        }
      }
    } catch {
      // It broke, or was silent for too long: the same is done about both.
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", end);
      stop.abort();
    }
    if (signal.aborted) return;
    again = Math.max(again, wait ?? 0);
    on.state("waiting", again);
    await pause(again, signal);
    again = Math.min(again * 2, PAUSE_MAX);
  }
};
