/** Server-Sent Events, read by `fetch`: `EventSource` tells no status, takes no header, and Node has none. */

/**
 * Read the events of a body to its end.
 * @param {any} body a ReadableStream of bytes
 * @param {(event: {type: string, id: string, data: string}) => void} take
 */
export async function readEvents(body, take) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [rest, type, id] = ["", "message", ""];
  /** @type {string[]} */ let data = [];

  /** @param {string} line */
  function line(line) {
    if (line === "") {
      if (data.length) take({ type, id, data: data.join("\n") });
      [type, data] = ["message", []];
      return;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line) || [];
    if (field === "data") data.push(value);
    else if (field === "event") type = value;
    else if (field === "id") id = value;
  }

  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() || "";
    lines.forEach(line);
  }
}
