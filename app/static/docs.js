/** The page at /docs: makes /openapi.json and /asyncapi.json readable, and lets the API be tried. */

import { address } from "./api.js";
import { offerSignIn, onAccess } from "./docs-access.js";
import { element, prose, table } from "./docs-elements.js";
import { contentOf, shape } from "./docs-schema.js";
import { offerSearch } from "./docs-search.js";
import { refresh, tryIt } from "./docs-try.js";
import { $ } from "./elements.js";

const WHO = { none: "Anyone", optional: "Anyone; a token that is sent must be valid", needed: "Needs a token" };

function answers(responses, root) {
  const rows = Object.entries(responses).map(([status, it]) => {
    const { type, text } = contentOf(it.content, root);
    const cell = [...prose(`${it.description} `), element("span", { class: "who" }, type)];
    if (text && type !== "application/problem+json") cell.push(element("pre", { tabindex: "0" }, text));
    return [status, cell];
  });
  return table("Answers", rows);
}

function operation(path, method, it, root) {
  const who = !it.security ? WHO.none : it.security.some((need) => Object.keys(need).length === 0) ? WHO.optional : WHO.needed;
  const made = element("section", { class: "operation", id: it.operationId, "aria-labelledby": `${it.operationId}-title` });
  made.append(
    element("h3", { id: `${it.operationId}-title` }, it.summary),
    element("p", { class: "signature" }, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path)),
    element("p", { class: "who" }, `${who}. In generated clients: `, element("code", {}, it.operationId)),
  );
  if (it.description) made.append(element("p", { class: "about" }, ...prose(it.description)));
  if (it.parameters) {
    const words = (one) => [one.in, shape(one.schema), one.description].filter(Boolean).join("; ");
    made.append(table("Parameters", it.parameters.map((one) => [one.name, prose(words(one))])));
  }
  if (it.requestBody) {
    made.append(element("p", {}, "Body, JSON:"), element("pre", { tabindex: "0" }, contentOf(it.requestBody.content, root).text));
  }
  made.append(answers(it.responses, root), tryIt(path, method, it, root));
  return made;
}

function socket(root) {
  const { live } = root.channels;
  const made = element("section", { class: "operation", id: "websocket", "aria-labelledby": "websocket-title" });
  made.append(
    element("h3", { id: "websocket-title" }, live.title),
    element("p", { class: "signature" }, element("span", { class: "method" }, "WS"), element("code", {}, live.address)),
    element("p", { class: "about" }, ...prose(`${root.info.description} ${live.description}`)),
  );
  for (const message of Object.values(root.components.messages)) {
    made.append(element("p", {}, element("code", {}, message.name), ...prose(`: ${message.summary}`)));
    made.append(element("pre", { tabindex: "0" }, JSON.stringify(message.examples[0].payload, null, 2)));
  }
  for (const [caption, codes] of [["Refused with", live["x-refusals"]], ["Closed with", live["x-close-codes"]]]) {
    made.append(table(caption, Object.entries(codes).map(([code, words]) => [code, prose(words)])));
  }
  return made;
}

async function read(path) {
  const answer = await fetch(address(path));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function show(rest, live) {
  $("about").replaceChildren(...prose(rest.info.description));
  $("operations").replaceChildren();
  const group = (name, entries) => {
    const links = entries.map(([id, title]) => element("li", {}, element("a", { href: `#${id}` }, title)));
    $("contents").append(element("div", { class: "group" }, element("strong", {}, name), element("ul", {}, ...links)));
    const sections = entries.map(([, , made]) => made);
    $("operations").append(element("div", { class: "group" }, element("h2", {}, name), ...sections));
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
  offerSearch();
  onAccess(refresh);
  offerSignIn(rest);
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  show(...(await Promise.all([read("/openapi.json"), read("/asyncapi.json")])));
} catch (error) {
  $("state").textContent = `The description can't be loaded (${error.message}). Load this page again.`;
}
