/** A live top 10 over one WebSocket: the types of /scoreboard.js. */

export declare const TOKEN_REFUSED: 4401;
export declare const SUSPENDED: 4403;

export interface Entry {
  userId: string;
  username: string;
  score: number;
  rank: number;
}

export interface Position {
  epoch: string;
  version: number;
}

export interface Board extends Position {
  board: string;
  payload: Entry[];
  timestamp: string;
}

export type State = "connecting" | "live" | "reconnecting" | "rejected" | "closed";
export type Reason = "unreadable" | "unsigned" | "unknown-key" | "wrong-signature";

export interface StateInfo {
  attempt?: number;
  delayMs?: number;
  code?: number;
  reason?: Reason;
}

export interface JWKS {
  keys: JsonWebKey[];
}

export interface Options {
  url: string | URL;
  token: string | (() => string | null | Promise<string | null>);
  onBoard: (board: Board) => void;
  onState?: (state: State, info: StateInfo) => void;
  keys?: string | URL | JWKS;
  WebSocket?: typeof WebSocket;
}

export declare function isNewer(seen: Position | null, next: Position): boolean;
export declare function backoff(attempt: number): number;
export declare function canonical(value: unknown): string;
export declare function connect(options: Options): { close: () => void };
