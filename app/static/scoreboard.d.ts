/** Live boards over one WebSocket: the types of /scoreboard.js, which says more. */

/** The close code of a token that is over, revoked or wrong. */
export declare const TOKEN_REFUSED: 4401;
/** The close code of a user who is suspended. */
export declare const SUSPENDED: 4403;

/** A row of the board. */
export interface Entry {
  userId: string;
  username: string;
  score: number;
  rank: number;
  /** Where the user has one: the name to show, in any script. It is not unique. */
  displayName?: string;
}

/** Where a board stands: versions rise within an epoch. */
export interface Position {
  epoch: string;
  version: number;
}

export interface Board extends Position {
  board: string;
  /** Of a board that begins anew: which of its days, weeks or months this is, such as "2026-W47". */
  period?: string;
  /** These rows stay as they are until the board is thawed. */
  frozen?: true;
  frozenSince?: string;
  /** While its places are revealed: the rows are the last `revealed` of `places`. */
  revealed?: number;
  places?: number;
  /** As many as the board shows, the first place first. */
  payload: Entry[];
  /** When this version was committed, in RFC 3339. */
  timestamp: string;
}

/** One's own numbers of one moment. */
export interface Own {
  board: string;
  /** Of a board that begins anew: which of its days, weeks or months this is. */
  period?: string;
  userId: string;
  /** All points. */
  totalScore: number;
  /** What of them stands on the board. */
  score: number;
  /** The place on the board; null for who isn't on it. */
  rank: number | null;
  /** When they were told, in RFC 3339. */
  timestamp: string;
}

/**
 * `rejected` tells of a message that was dropped, `refused` of boards that can't be followed; neither changes anything
 * else.
 * `closed` is final: the token was refused, or its user suspended.
 */
export type State = "connecting" | "live" | "reconnecting" | "rejected" | "refused" | "closed";
export type Reason = "unreadable" | "unsigned" | "unknown-key" | "wrong-signature";

export interface StateInfo {
  /** Consecutive failures so far. */
  attempt?: number;
  /** Milliseconds until the next attempt. */
  delayMs?: number;
  /** The WebSocket's close code. */
  code?: number;
  /** Why a message was rejected. */
  reason?: Reason;
  /** What was refused. */
  boards?: string[];
  /** Why it was: there is no such board, or the connection follows as many as it may. */
  refusal?: "not-found" | "too-many-boards";
}

export interface JWKS {
  keys: JsonWebKey[];
}

export interface Options {
  /** The address of the WebSocket; http(s) and relative ones are understood. */
  url: string | URL;
  /** Asked before each attempt, and before the token at hand is over. */
  token: string | (() => string | null | Promise<string | null>);
  /** The board to follow, by its id; without it `all-time`. */
  board?: string;
  /** The boards to follow, in place of `board`. */
  boards?: string[];
  /** Called with each newer version of each board, the present one first. */
  onBoard: (board: Board) => void;
  /** Called with one's own numbers on each board, at first and whenever they have changed. */
  onOwn?: (own: Own) => void;
  /** Not called for `close()`. */
  onState?: (state: State, info: StateInfo) => void;
  /** The keys to verify messages with, or where they are; without them nothing is verified. */
  keys?: string | URL | JWKS;
  /** The implementation, where the platform has none. */
  WebSocket?: typeof WebSocket;
}

/** Tells whether `next` replaces `seen`: a greater version, or any version of another epoch. */
export declare function isNewer(seen: Position | null, next: Position): boolean;
/** Picks the milliseconds before an attempt, counted from 1: full jitter, from half a second to twenty. */
export declare function backoff(attempt: number): number;
/** Writes a JSON value in its canonical form (RFC 8785), which signatures are over. */
export declare function canonical(value: unknown): string;
/** What `connect` gives. */
export interface Live {
  close: () => void;
  /** Follows boards as well, which are told at once. */
  subscribe: (boards: string[]) => void;
  /** Follows boards no longer; one that is followed again is told again. */
  unsubscribe: (boards: string[]) => void;
}

/** Keeps boards up to date until `close()`, or until the server refuses the token for good. */
export declare function connect(options: Options): Live;
