/** Listeners for events that are plain objects: not every platform has an `EventTarget` (React Native). */

/** Report a mistake in a callback, which shall end nothing here. Deno and Node end for what `reportError` is told. */
function report(/** @type {unknown} */ error) {
  const { document, reportError } = /** @type {any} */ (globalThis);
  if (document && reportError) reportError(error);
  else console.error(error);
}

/** Return the listeners of something that tells `error` and `own`, and the function that tells them. */
export function listeners() {
  /** @type {{[type: string]: Set<(event: any) => void>}} */
  const byType = { error: new Set(), own: new Set() };

  /** @type {import("./types.js").Following["addEventListener"]} */
  function add(type, listener) {
    if (!byType[type]) throw new TypeError(`There is no event "${type}", but "error" and "own".`);
    byType[type].add(listener);
  }

  /** @type {import("./types.js").Following["removeEventListener"]} */
  function remove(type, listener) {
    if (byType[type]) byType[type].delete(listener);
  }

  /** @param {import("./types.js").ErrorEvent | import("./types.js").OwnEvent} event */
  function tell(event) {
    for (const listener of [...byType[event.type]]) {
      try {
        listener(event);
      } catch (error) {
        if (event.type === "error") report(error);
        else mistake(error);
      }
    }
  }

  /** Tell of a mistake in a callback; where nobody listens for errors, the platform does. @param {any} error */
  function mistake(error) {
    if (byType.error.size === 0) return report(error);
    tell({ type: "error", error, code: "callback" });
  }

  return { add, remove, tell, mistake, wanted: (/** @type {string} */ type) => byType[type].size > 0 };
}
