// One way to wait, to fail and to try again, for every page.

import { signedIn } from "./api.js";
import { h, say } from "./dom.js";
import { openLogin } from "./login.js";

const PAUSE_FIRST = 2;
const PAUSE_MAX = 30;

const button = (text, click) => h("button", { type: "button", on: { click } }, text);

const told = {
  "401": () => ["Sign in to see this", "It is shown to those whom the exchange lets see it."],
  "403": (error) => ["Your account may not see this", `${error.message}.`],
  "404": (error) => ["Nothing here that you may see", `${error.message}.`],
  "429": () => ["Too many requests", "The exchange asks for a pause."],
  away: () => ["The exchange does not answer", "It may be starting, or the way to it is interrupted."],
  other: (error) => ["That did not work", error.message],
};

const sentence = (text) => text.replace(/\.+$/, ".").replace(/^./, (letter) => letter.toUpperCase());

/** What stands where something could not be shown; `again` tries once more. */
export const failure = (error, again, pause) => {
  const [head, detail] = (told[error.kind] ?? told.other)(error);
  const box = h("div", { class: "failure", "data-kind": error.kind ?? "other" }, h("h2", {}, head), h("p", {}, sentence(detail)));
  if (pause) box.append(h("p", { class: "soon" }, `Trying again in ${pause} s.`));
  const actions = h("p", { class: "actions" });
  if (error.kind === "401" || error.kind === "403" || (error.kind === "404" && !signedIn())) {
    actions.append(button(signedIn() ? "Sign in as somebody else" : "Sign in", openLogin));
  }
  if (again && error.kind !== "401" && error.kind !== "403") actions.append(button("Try again now", again));
  if (actions.childElementCount > 0) box.append(actions);
  return box;
};

/**
 * Shows what `ask` brings by `draw`, in `place`. While it waits that is said; when the exchange is away it is asked again
 * by itself, after longer and longer pauses, until `signal` ends it.
 */
export const load = async (place, signal, ask, draw, { quiet = false } = {}) => {
  let pause = PAUSE_FIRST;
  for (;;) {
    place.setAttribute("aria-busy", "true");
    if (!quiet) place.replaceChildren(h("p", { class: "wait" }, "Loading …"));
    let error;
    try {
      const answer = await ask(signal);
      if (signal.aborted) return;
      place.replaceChildren(...[await draw(answer)].flat(Infinity).filter(Boolean));
      place.setAttribute("aria-busy", "false");
      return;
    } catch (thrown) {
      if (signal.aborted) return;
      error = thrown;
    }
    place.setAttribute("aria-busy", "false");
    const retries = error.kind === "away" || error.kind === "429";
    const wait = retries ? Math.max(pause, error.wait ?? 0) : 0;
    if (!error.kind) console.error(error);
    const again = await new Promise((resolve) => {
      const timer = retries ? setTimeout(() => resolve(true), wait * 1000) : null;
      const now = () => {
        clearTimeout(timer);
        resolve(true);
      };
      signal.addEventListener("abort", () => resolve(false), { once: true });
      place.replaceChildren(failure(error, now, wait));
      say(place.querySelector("h2").textContent);
    });
    if (!again || signal.aborted) return;
    quiet = false;
    pause = Math.min(pause * 2, PAUSE_MAX);
  }
};
