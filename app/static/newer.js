/** Which of two versions of a board is the newer one. */

/** @typedef {{epoch: string, version: number}} Position */

/**
 * Returns whether `next` replaces `seen`: a greater version, or any version of another epoch.
 * @param {Position | null} seen
 * @param {Position} next
 */
export const isNewer = (seen, next) => seen === null || next.epoch !== seen.epoch || next.version > seen.version;
