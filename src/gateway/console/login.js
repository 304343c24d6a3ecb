// Signing in and out. A dialog of the browser's own: it keeps the focus inside, and Escape closes it.

import { account, login, logout, signedIn, useToken } from "./api.js";
import { h, say } from "./dom.js";

const dialog = document.getElementById("login");

const field = (label, props) => h("label", {}, h("span", {}, label), h("input", { autocapitalize: "none", spellcheck: "false", ...props }));

const draw = () => {
  const error = h("p", { class: "wrong", role: "alert" });
  const attempt = async (form, act) => {
    error.textContent = "";
    const buttons = form.querySelectorAll("button");
    buttons.forEach((it) => (it.disabled = true));
    try {
      await act();
      dialog.close();
      say("Signed in.");
    } catch (thrown) {
      error.textContent = thrown.kind === "401" ? "That name and password, or that token, are not known." : thrown.message;
    } finally {
      buttons.forEach((it) => (it.disabled = false));
    }
  };
  const name = field("Account", { name: "username", autocomplete: "username", required: true });
  const password = field("Password", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const token = field("Token", { name: "token", type: "password", autocomplete: "off", required: true });
  const of = (label) => label.querySelector("input").value;
  const byName = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      attempt(byName, () => login(of(name).trim(), of(password)));
    },
  } }, name, password, h("button", { type: "submit", class: "main" }, "Sign in"));
  const byToken = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      attempt(byToken, () => useToken(of(token).trim()));
    },
  } }, token, h("button", { type: "submit" }, "Use this token"));
  dialog.replaceChildren(
    h("div", { class: "title" }, h("h2", { id: "login-title" }, "Sign in"), h("button", { type: "button", on: { click: () => dialog.close() } }, "Close")),
    h("p", {}, "With an account of this exchange. The token is kept for this tab, until it ends or you sign out."),
    error,
    byName,
    h("details", {}, h("summary", {}, "With a token that you have: a HAT's, or an account's"), byToken),
  );
};

export const openLogin = () => {
  draw();
  dialog.showModal();
  dialog.querySelector("input").focus();
};

/** The button in the head of the page. */
export const drawWho = (button) => {
  const who = account();
  const name = who?.account ?? who?.hat;
  button.textContent = signedIn() ? `Sign out${name ? ` ${name}` : ""}` : "Sign in";
  button.onclick = signedIn()
    ? async () => {
        await logout();
        say("Signed out.");
      }
    : openLogin;
};
