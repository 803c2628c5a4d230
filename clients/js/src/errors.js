/** What went wrong, as errors that say so. */

/** A refusal by the service, a message that was dropped, or a mistake in what was given. */
export class FollowError extends Error {
  /** @param {string} message @param {import("./types.js").Refusal} refusal */
  constructor(message, { status, code, retryAfter, boards }) {
    super(message);
    this.name = "FollowError";
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.boards = boards;
  }
}

/**
 * Return what an answer that isn't the wanted one says: problem+json, or what a proxy in between makes of it.
 * @param {any} response
 */
export async function refusalIn(response) {
  const problem = (await response.json().catch(() => null)) || {};
  const seconds = parseInt(response.headers.get("Retry-After") || "", 10);
  return new FollowError(problem.detail || problem.title || `The service answered ${response.status}.`, {
    status: response.status,
    code: typeof problem.code === "string" ? problem.code : `http-${response.status}`,
    retryAfter: seconds >= 0 ? seconds : undefined,
  });
}
