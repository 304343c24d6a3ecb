"use strict";
// Shows openapi.json and lets its calls be tried. Everything is put in as text, nothing as markup.
const made = (name, props, ...children) => {
  const element = Object.assign(document.createElement(name), props);
  element.append(...children);
  return element;
};
const token = document.getElementById("token");
const find = document.getElementById("find");
const found = document.getElementById("found");
const calls = document.getElementById("calls");

// A body to begin with: what must be there, empty.
const sample = (schema) => {
  if (schema.enum) return schema.enum[0];
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case "array": return schema.items && (schema.items.required || schema.minItems) ? [sample(schema.items)] : [];
    case "object": return Object.fromEntries((schema.required || []).map((name) => [name, sample((schema.properties || {})[name] || {})]));
    case "integer": case "number": return schema.minimum || 0;
    case "boolean": return false;
    case "string": return "";
    default: return schema.oneOf ? sample(schema.oneOf[0]) : {};
  }
};

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
    out.textContent = "The request did not go through: " + error;
  }
};

const fields = (operation) => {
  const form = made("form", {});
  for (const param of operation.parameters) {
    const kind = param.name === "password" ? "password" : "text";
    const input = made("input", { name: param.in + ":" + param.name, required: param.required, type: kind, autocomplete: "off", spellcheck: false });
    form.append(made("label", {}, param.name + (param.required ? " *" : ""), input, made("small", { textContent: param.description })));
  }
  if (operation.requestBody) {
    const schema = operation.requestBody.content["application/json"].schema;
    const body = made("textarea", { name: "body", value: JSON.stringify(sample(schema), null, 2), spellcheck: false });
    const shown = made("pre", { textContent: JSON.stringify(schema, null, 2), tabIndex: 0 });
    form.append(made("label", { className: "wide" }, "Body (JSON) *", body), made("details", {}, made("summary", { textContent: "Its schema" }), shown));
  }
  return form;
};

const call = (path, method, operation) => {
  const line = made("summary", {},
    made("span", { className: "method " + method, textContent: method.toUpperCase() }),
    made("span", { className: operation.deprecated ? "path deprecated" : "path", textContent: path }),
    made("span", { className: "what", textContent: operation.summary + (operation.deprecated ? " (kept for old clients)" : "") }));
  const details = made("details", { id: operation.operationId }, line);
  details.dataset.text = (method + " " + path + " " + operation.summary).toLowerCase();
  // Made when it is first looked at: there are more than a hundred.
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const answers = Object.entries(operation.responses).map(([status, it]) => (status === "default" ? "else" : status) + ": " + (it.description || "an error"));
    const form = fields(operation);
    const out = made("pre", { hidden: true, tabIndex: 0 });
    out.setAttribute("role", "status");
    form.append(made("button", { textContent: "Try it" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      out.hidden = false;
      out.textContent = "…";
      send(method.toUpperCase(), path, operation, form, out);
    });
    details.append(made("div", { className: "inner" }, made("p", { textContent: operation.description }), made("p", { textContent: answers.join(" · ") }), form, out));
  });
  return details;
};

const filter = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter((word) => word);
  let shown = 0;
  for (const section of calls.querySelectorAll("section")) {
    let here = 0;
    for (const one of section.querySelectorAll(":scope > details")) {
      one.hidden = !words.every((word) => one.dataset.text.includes(word));
      here += one.hidden ? 0 : 1;
    }
    section.hidden = here === 0;
    shown += here;
  }
  found.textContent = shown === 1 ? "1 call" : shown + " calls";
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
  filter();
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (named) {
    named.open = true;
    named.scrollIntoView();
  }
};

find.addEventListener("input", filter);
fetch("/api/openapi.json").then((answer) => answer.json()).then(build).catch((error) => {
  calls.replaceChildren("The description cannot be read: " + error);
});
