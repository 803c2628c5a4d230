// The page at /docs: makes /openapi.json and /asyncapi.json readable. Everything is set as text, never as HTML.

import { address } from "./api.js";

const WHO = { none: "Anyone", optional: "Anyone; a token that is sent must be valid", needed: "Needs a token" };

/** Makes an element with text or children. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Splits words for people, in which code stands between backticks. */
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

/** Follows `$ref`, as deep as a reader wants to see. */
function resolve(schema, root, depth = 0) {
  if (!schema || typeof schema !== "object" || depth > 6) return schema;
  if (Array.isArray(schema)) return schema.map((it) => resolve(it, root, depth + 1));
  if (schema.$ref) {
    const found = schema.$ref.slice(2).split("/").reduce((at, key) => at[key], root);
    return resolve(found, root, depth + 1);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolve(value, root, depth + 1)]));
}

/** Writes a schema as one writes JSON by hand: names and types. */
function shape(schema, indent = "") {
  if (!schema || Object.keys(schema).length === 0) return "anything";
  if (schema.anyOf) return [...new Set(schema.anyOf.map((it) => shape(it, indent)))].join(" or ");
  if (schema.enum) return schema.enum.map((it) => JSON.stringify(it)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `[${shape(schema.items, indent)}, …]`;
  if (schema.type === "object" && schema.properties) {
    const inner = `${indent}  `;
    const lines = Object.entries(schema.properties).map(([name, it]) => {
      const optional = (schema.required ?? []).includes(name) ? "" : "?";
      return `${inner}${name}${optional}: ${shape(it, inner)}`;
    });
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  const bounds = [
    schema.minLength !== undefined && `from ${schema.minLength} characters`,
    schema.maxLength !== undefined && `up to ${schema.maxLength} characters`,
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.default !== undefined && `default ${JSON.stringify(schema.default)}`,
  ].filter(Boolean);
  return [schema.type ?? "anything", ...bounds].join(", ");
}

function schemaOf(content, root) {
  const [[type, { schema }] = ["", {}]] = Object.entries(content ?? {});
  return { type, text: schema ? shape(resolve(schema, root)) : "" };
}

function parameters(list) {
  const table = element("table", {}, element("caption", {}, "Parameters"));
  for (const it of list) {
    const words = prose([it.in, shape(it.schema), it.description].filter(Boolean).join("; "));
    table.append(element("tr", {}, element("th", { scope: "row" }, element("code", {}, it.name)), element("td", {}, ...words)));
  }
  return table;
}

function answers(responses, root) {
  const table = element("table", {}, element("caption", {}, "Answers"));
  for (const [status, it] of Object.entries(responses)) {
    const { type, text } = schemaOf(it.content, root);
    const cell = element("td", {}, ...prose(`${it.description} `), element("span", { class: "who" }, type));
    if (text && type !== "application/problem+json") cell.append(element("pre", { tabindex: "0" }, text));
    table.append(element("tr", {}, element("th", { scope: "row" }, element("code", {}, status)), cell));
  }
  return table;
}

function operation(path, method, it, root) {
  const who = !it.security ? WHO.none : it.security.some((need) => Object.keys(need).length === 0) ? WHO.optional : WHO.needed;
  const made = element("section", { class: "operation", id: it.operationId, "aria-labelledby": `${it.operationId}-title` });
  made.append(
    element("h3", { id: `${it.operationId}-title` }, it.summary),
    element("p", { class: "signature" }, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path)),
    element("p", { class: "who" }, who),
  );
  if (it.description) made.append(element("p", {}, ...prose(it.description)));
  if (it.parameters) made.append(parameters(it.parameters));
  if (it.requestBody) {
    made.append(element("p", {}, "Body, JSON:"), element("pre", { tabindex: "0" }, schemaOf(it.requestBody.content, root).text));
  }
  made.append(answers(it.responses, root));
  return made;
}

function socket(root) {
  const { live } = root.channels;
  const made = element("section", { class: "operation", id: "websocket", "aria-labelledby": "websocket-title" });
  made.append(
    element("h3", { id: "websocket-title" }, live.title),
    element("p", { class: "signature" }, element("span", { class: "method" }, "WS"), element("code", {}, live.address)),
    element("p", {}, ...prose(`${root.info.description} ${live.description}`)),
  );
  for (const message of Object.values(root.components.messages)) {
    made.append(element("p", {}, element("code", {}, message.name), ...prose(`: ${message.summary}`)));
    made.append(element("pre", { tabindex: "0" }, JSON.stringify(message.examples[0].payload, null, 2)));
  }
  for (const [caption, codes] of [["Refused with", live["x-refusals"]], ["Closed with", live["x-close-codes"]]]) {
    const table = element("table", {}, element("caption", {}, caption));
    for (const [code, words] of Object.entries(codes)) {
      table.append(element("tr", {}, element("th", { scope: "row" }, element("code", {}, code)), element("td", {}, ...prose(words))));
    }
    made.append(table);
  }
  return made;
}

async function read(path) {
  const answer = await fetch(address(path));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function show(rest, live) {
  document.querySelector("#about").replaceChildren(...prose(rest.info.description));
  const main = document.querySelector("#operations");
  const contents = document.querySelector("#contents");
  main.replaceChildren();
  const group = (name, entries) => {
    const list = element("ul");
    main.append(element("h2", {}, name));
    for (const [id, title, made] of entries) {
      main.append(made);
      list.append(element("li", {}, element("a", { href: `#${id}` }, title)));
    }
    contents.append(element("strong", {}, name), list);
  };
  for (const { name } of rest.tags) {
    const entries = [];
    for (const [path, methods] of Object.entries(rest.paths)) {
      for (const [method, it] of Object.entries(methods)) {
        if (it.tags.includes(name)) entries.push([it.operationId, it.summary, operation(path, method, it, rest)]);
      }
    }
    group(name, entries);
  }
  group("WebSocket", [["websocket", "The live board", socket(live)]]);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  show(...(await Promise.all([read("/openapi.json"), read("/asyncapi.json")])));
} catch (error) {
  document.querySelector("#state").textContent = `The description can't be loaded (${error.message}). Load this page again.`;
}
