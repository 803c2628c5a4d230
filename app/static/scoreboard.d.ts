/**
 * a row;
 *   `displayName` is the name to show where there is one, in any script, and not unique
 */
type Entry$1 = {
    userId: string;
    username: string;
    score: number;
    rank: number;
    displayName?: string;
};
/**
 * where a board stands: versions rise within an epoch
 */
type Position$1 = {
    epoch: string;
    version: number;
};
/**
 * `payload`: its rows, the first place first;
 *   `timestamp`: when this version was made; `period`: which of its days, weeks or months this is, of a board that begins
 *   anew; `frozen`: these rows stay until it is thawed, and while `places` are revealed they are the last `revealed`
 */
type Board$1 = Position$1 & {
    board: string;
    payload: Entry$1[];
    timestamp: string;
    period?: string;
    frozen?: true;
    frozenSince?: string;
    revealed?: number;
    places?: number;
};
/**
 * one's own numbers of one moment: all points, what of them stands on the board, and the place
 */
type Own$1 = {
    board: string;
    userId: string;
    totalScore: number;
    score: number;
    rank: number | null;
    timestamp: string;
    period?: string;
};
/**
 * `paused`: the operator has
 *   stopped telling of changes; `frozen`: the board stays as it is for now; `ended`: for good, by `close()` or a refusal
 */
type State$1 = "connecting" | "live" | "paused" | "frozen" | "reconnecting" | "ended";
/**
 * how boards come
 */
type Way$1 = "socket" | "stream" | "poll";
/**
 * `attempt`: failures so far; `at`: when the next one begins, in
 *   milliseconds of `Date.now()`
 */
type Retry$1 = {
    attempt: number;
    at: number;
};
/**
 * what an `error` event says besides its `error`
 */
type Refusal$1 = {
    /**
     * of HTTP, or the WebSocket's close code: 4401 and 4403
     */
    status?: number | undefined;
    /**
     * the service's (`unauthorized`, `user-suspended`, `not-found`, `rate-limited`…), or of here:
     * `unreadable`, `unsigned`, `unknown-key` and `wrong-signature` are messages that were dropped, `token` is a mistake in
     * the option `token`, `callback` one in a callback
     */
    code: string;
    /**
     * seconds that the service wants to be left alone
     */
    retryAfter?: number | undefined;
    /**
     * those that are refused, where not all are
     */
    boards?: string[] | undefined;
};
type ErrorEvent$1 = {
    type: "error";
    error: Error;
} & Refusal$1;
type OwnEvent$1 = {
    type: "own";
    detail: Own$1;
};
type Events = {
    error: ErrorEvent$1;
    own: OwnEvent$1;
};
type Token$1 = string | null | undefined;
/**
 * a JSON Web Key
 */
type Key$1 = {
    kid?: string;
    kty?: string;
    crv?: string;
    x?: string;
};
type KeySet$1 = {
    keys: Key$1[];
};
type Options$1 = {
    /**
     * the board to follow, by its id; `all-time` without it
     */
    board?: string | undefined;
    /**
     * several boards, in place of `board`
     */
    boards?: string[] | undefined;
    /**
     * of a user, or a service key; a function is asked
     * before each attempt, and before the token at hand is over; it is given the one that was refused last, if any. Without
     * a token one is a spectator
     */
    token?: Token$1 | ((refused?: Token$1) => Token$1 | Promise<Token$1>);
    /**
     * verify each message by the service's keys (`true`), by those at an
     * address, or by these
     */
    keys?: string | boolean | URL | KeySet$1 | undefined;
    /**
     * closes it
     */
    signal?: AbortSignal | undefined;
    /**
     * the implementation, where the platform has none, such as `ws` in Node 20
     */
    WebSocket?: WebSocketClass | undefined;
    /**
     * the implementation, in place of the platform's
     */
    fetch?: Fetch | undefined;
};
type WebSocketClass = new (address: string, protocols: string[]) => any;
type Fetch = (address: string, init?: any) => Promise<any>;
/**
 * of what `follow` gives
 */
type Members = {
    /**
     * the newest version of the (first) board
     */
    value: Board$1 | null;
    /**
     * those of all boards, by their ids
     */
    values: Readonly<Record<string, Board$1>>;
    /**
     * of the (first) board
     */
    state: State$1;
    /**
     * how it comes at present; own numbers come by `socket` alone
     */
    via: Way$1 | null;
    /**
     * while reconnecting: how often it failed, and when it tries again
     */
    retry: Retry$1 | null;
    /**
     * when the service has last been heard, in milliseconds of `Date.now()`
     */
    heardAt: number | null;
    /**
     * calls at once, then
     * whenever a board or a state has changed; gives the function that ends it
     */
    subscribe: (callback: (board: Board$1 | null, state: State$1) => void) => () => void;
    /**
     * `error`,
     * and `own`, which has the service tell one's own numbers
     */
    addEventListener: <T extends keyof Events>(type: T, listener: (event: Events[T]) => void) => void;
    removeEventListener: <T extends keyof Events>(type: T, listener: (event: Events[T]) => void) => void;
    /**
     * follows these boards in place of those before
     */
    turnTo: (boards: string | string[]) => void;
    close: () => void;
};
/**
 * a Svelte store, besides; `for await` gives the newest
 *   boards until it is closed, and throws what has ended it otherwise
 */
type Following$1 = Readonly<Members> & AsyncIterable<Board$1>;

/**
 * Follow a board, or several, until `close()`, or until the service refuses it for good.
 *
 *     const board = follow("https://scores.example");
 *     board.subscribe((value, state) => draw(value, state));
 *     board.close();
 *
 * @param {string | URL} url the service's address, with the path below which it stands if there is one; relative ones are
 *   understood by a page
 * @param {import("./types.js").Options} [options]
 * @returns {import("./types.js").Following}
 */
declare function follow(url: string | URL, options?: Options$1): Following$1;

/** What went wrong, as errors that say so. */
/** A refusal by the service, a message that was dropped, or a mistake in what was given. */
declare class FollowError extends Error {
    /** @param {string} message @param {import("./types.js").Refusal} refusal */
    constructor(message: string, { status, code, retryAfter, boards }: Refusal$1);
    code: string;
    status: number | undefined;
    retryAfter: number | undefined;
    boards: string[] | undefined;
}

type Board = Board$1;
type Entry = Entry$1;
type ErrorEvent = ErrorEvent$1;
type Following = Following$1;
type Key = Key$1;
type KeySet = KeySet$1;
type Options = Options$1;
type Own = Own$1;
type OwnEvent = OwnEvent$1;
type Position = Position$1;
type Refusal = Refusal$1;
type Retry = Retry$1;
type State = State$1;
type Token = Token$1;
type Way = Way$1;

export { FollowError, follow };
export type { Board, Entry, ErrorEvent, Following, Key, KeySet, Options, Own, OwnEvent, Position, Refusal, Retry, State, Token, Way };
