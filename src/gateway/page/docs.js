"use strict";
// Shows openapi.json and lets its calls be tried. Everything is put in as text, nothing as markup.
const made = (name, props, ...children) => {
  const element = Object.assign(document.createElement(name), props);
  element.append(...children);
  return element;
};
const token = document.getElementById("token");
const calls = document.getElementById("calls");
const shown = (value) => made("pre", { textContent: JSON.stringify(value, null, 2) });

const send = async (method, path, operation, form, out) => {
  const values = new FormData(form);
  const headers = { Accept: "application/json" };
  const query = new URLSearchParams();
  let target = path;
  for (const param of operation.parameters) {
    const value = values.get(param.in + ":" + param.name);
    if (param.in === "path") target = target.replace("{" + param.name + "}", encodeURIComponent(value));
    else if (value && param.in === "query") query.set(param.name, value);
    else if (value) headers[param.name] = value;
  }
  if (token.value) headers["X-Auth-Token"] = token.value;
  let body;
  if (operation.requestBody) {
    headers["Content-Type"] = "application/json";
    body = values.get("body");
  }
  const asked = query.size ? target + "?" + query : target;
  try {
    const answer = await fetch(asked, { method, headers, body });
    const text = await answer.text();
    let told = text;
    try { told = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON: as it is */ }
    out.textContent = method + " " + asked + "\n" + answer.status + " " + answer.statusText + "\n\n" + told;
  } catch (error) {
    out.textContent = String(error);
  }
};

const call = (path, method, operation) => {
  const form = made("form", {});
  for (const param of operation.parameters) {
    const label = param.name + (param.required ? " *" : "");
    const secret = param.name === "password" ? "password" : "text";
    const input = made("input", { name: param.in + ":" + param.name, title: param.description, required: param.required, type: secret, autocomplete: "off" });
    form.append(made("label", { title: param.description }, label, input));
  }
  if (operation.requestBody) {
    const schema = operation.requestBody.content["application/json"].schema;
    form.append(made("textarea", { name: "body", value: "{}", spellcheck: false }), shown(schema));
  }
  const out = made("pre", { hidden: true });
  form.append(made("button", { textContent: "Try it" }), out);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    out.hidden = false;
    out.textContent = "…";
    send(method.toUpperCase(), path, operation, form, out);
  });
  const line = made("summary", {},
    made("span", { className: "method", textContent: method.toUpperCase() }),
    made("span", { className: operation.deprecated ? "path deprecated" : "path", textContent: path }),
    made("span", { className: "what", textContent: operation.summary }));
  const answers = Object.entries(operation.responses).map(([status, it]) => status + ": " + (it.description || "an error"));
  const details = made("details", {}, line, made("p", { textContent: operation.description }), made("p", { textContent: answers.join(" · ") }), form);
  details.dataset.text = (path + " " + operation.summary + " " + method).toLowerCase();
  return details;
};

const build = (spec) => {
  document.title = spec.info.title;
  document.getElementById("title").textContent = spec.info.title + " · " + spec.info.version;
  document.getElementById("about").textContent = spec.info.description;
  const groups = new Map();
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = operation.tags[0];
      if (!groups.has(tag)) groups.set(tag, made("section", {}, made("h2", { textContent: tag })));
      groups.get(tag).append(call(path, method, operation));
    }
  }
  calls.replaceChildren(...groups.values());
};

document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const one of calls.querySelectorAll("details")) one.hidden = !one.dataset.text.includes(wanted);
});

fetch("/api/openapi.json").then((answer) => answer.json()).then(build, (error) => calls.replaceChildren(String(error)));
