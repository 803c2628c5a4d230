/** The form by which an operation is tried. */

import { known, token } from "./docs-access.js";
import { element } from "./docs-elements.js";
import { addressOf, curl, send } from "./docs-request.js";
import { contentOf } from "./docs-schema.js";

/** What is to be done in each form when the token changes. */
const forms = new Set();

/** Shows another token in all forms that are open. */
export function refresh() {
  for (const form of forms) form();
}

/** Makes what opens the form; the form itself is made when it is first opened. */
export function tryIt(path, method, it, root) {
  const made = element("details", { class: "try" }, element("summary", {}, "Try it"));
  made.addEventListener("toggle", () => made.children.length === 1 && made.append(formOf(path, method, it, root)));
  return made;
}

function formOf(path, method, it, root) {
  const form = element("form", { "aria-label": `Try: ${it.summary}` });
  const fields = (it.parameters ?? []).map((parameter) => fieldOf(parameter, it.operationId));
  form.append(...fields.map(({ label }) => label));
  const { example } = contentOf(it.requestBody?.content, root);
  const body = example === undefined ? null : element("textarea", { rows: "6", spellcheck: "false" });
  if (body) {
    body.value = JSON.stringify(example, null, 2);
    form.append(element("label", {}, it.requestBody.required ? "Body, JSON" : "Body, JSON; may be left out", body));
  }
  const line = element("pre", { class: "curl", tabindex: "0" });
  const copy = element("button", { type: "button" }, "Copy the curl line");
  const answer = element("div", { class: "answer", role: "status" });
  form.append(element("p", {}, element("button", { type: "submit" }, "Send"), " ", copy), line, answer);

  const request = () => requestOf(path, method, fields, body?.value);
  const show = () => {
    for (const { input, parameter } of fields) if (!input.value) input.value = known(parameter.name);
    line.textContent = curl(request());
  };
  forms.add(show);
  show();
  form.addEventListener("input", () => (line.textContent = curl(request())));
  copy.addEventListener("click", () => copyOut(line, copy));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.replaceChildren(element("p", {}, "Sending…"));
    try {
      answer.replaceChildren(...shown(await send(request())));
    } catch {
      answer.replaceChildren(element("p", {}, "No answer: the service can't be reached."));
    }
  });
  return form;
}

function fieldOf(parameter, operationId) {
  const { name, schema, required } = parameter;
  const options = schema.enum && [...(required ? [] : [""]), ...schema.enum].map((it) => element("option", {}, it));
  const input = options ? element("select", {}, ...options) : element("input", { autocomplete: "off", spellcheck: "false" });
  input.id = `${operationId}-${name}`;
  if (required) input.required = true;
  if (schema.default !== undefined && !options) input.placeholder = String(schema.default);
  return { parameter, input, label: element("label", { for: input.id }, element("code", {}, name), input) };
}

function requestOf(path, method, fields, body) {
  const values = { path: {}, query: {}, header: {} };
  for (const { parameter, input } of fields) values[parameter.in][parameter.name] = input.value;
  const headers = Object.fromEntries(Object.entries(values.header).filter(([, value]) => value));
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const sent = body?.trim() ? body : undefined;
  if (sent !== undefined) headers["Content-Type"] = "application/json";
  return { method: method.toUpperCase(), url: addressOf(path, values.path, values.query), headers, body: sent };
}

function shown({ status, headers, body }) {
  const parts = [element("p", {}, element("strong", {}, status))];
  if (headers.length) {
    const lines = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
    parts.push(element("pre", { tabindex: "0", "aria-label": "Headers" }, lines));
  }
  if (body) parts.push(element("pre", { tabindex: "0", "aria-label": "Body" }, body));
  return parts;
}

async function copyOut(line, button) {
  try {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy the curl line"), 2_000);
  } catch {
    getSelection().selectAllChildren(line); // no clipboard without https: it can be copied by hand
  }
}
