/** The shapes that the service sends, and those that are given and told here. */

/**
 * @typedef {{userId: string, username: string, score: number, rank: number, displayName?: string}} Entry a row;
 *   `displayName` is the name to show where there is one, in any script, and not unique
 */

/**
 * @typedef {{epoch: string, version: number}} Position where a board stands: versions rise within an epoch
 */

/**
 * @typedef {Position & {board: string, payload: Entry[], timestamp: string, period?: string, frozen?: true,
 *   frozenSince?: string, revealed?: number, places?: number}} Board `payload`: its rows, the first place first;
 *   `timestamp`: when this version was made; `period`: which of its days, weeks or months this is, of a board that begins
 *   anew; `frozen`: these rows stay until it is thawed, and while `places` are revealed they are the last `revealed`
 */

/**
 * @typedef {{board: string, userId: string, totalScore: number, score: number, rank: number | null, timestamp: string,
 *   period?: string}} Own one's own numbers of one moment: all points, what of them stands on the board, and the place
 */

/**
 * @typedef {"connecting" | "live" | "paused" | "frozen" | "reconnecting" | "ended"} State `paused`: the operator has
 *   stopped telling of changes; `frozen`: the board stays as it is for now; `ended`: for good, by `close()` or a refusal
 */

/**
 * @typedef {"socket" | "stream" | "poll"} Way how boards come
 */

/**
 * @typedef {{attempt: number, at: number}} Retry `attempt`: failures so far; `at`: when the next one begins, in
 *   milliseconds of `Date.now()`
 */

/**
 * @typedef {object} Refusal what an `error` event says besides its `error`
 * @property {number} [status] of HTTP, or the WebSocket's close code: 4401 and 4403
 * @property {string} code the service's (`unauthorized`, `user-suspended`, `not-found`, `rate-limited`…), or of here:
 *   `unreadable`, `unsigned`, `unknown-key` and `wrong-signature` are messages that were dropped, `token` is a mistake in
 *   the option `token`, `callback` one in a callback
 * @property {number} [retryAfter] seconds that the service wants to be left alone
 * @property {string[]} [boards] those that are refused, where not all are
 */

/**
 * @typedef {{type: "error", error: Error} & Refusal} ErrorEvent
 */

/**
 * @typedef {{type: "own", detail: Own}} OwnEvent
 */

/**
 * @typedef {{error: ErrorEvent, own: OwnEvent}} Events
 */

/**
 * @typedef {string | null | undefined} Token
 */

/**
 * @typedef {{kid?: string, kty?: string, crv?: string, x?: string}} Key a JSON Web Key
 */

/**
 * @typedef {{keys: Key[]}} KeySet
 */

/**
 * @typedef {object} Options
 * @property {string} [board] the board to follow, by its id; `all-time` without it
 * @property {string[]} [boards] several boards, in place of `board`
 * @property {Token | ((refused?: Token) => Token | Promise<Token>)} [token] of a user, or a service key; a function is asked
 *   before each attempt, and before the token at hand is over; it is given the one that was refused last, if any. Without
 *   a token one is a spectator
 * @property {boolean | string | URL | KeySet} [keys] verify each message by the service's keys (`true`), by those at an
 *   address, or by these
 * @property {AbortSignal} [signal] closes it
 * @property {WebSocketClass} [WebSocket] the implementation, where the platform has none, such as `ws` in Node 20
 * @property {Fetch} [fetch] the implementation, in place of the platform's
 */

/**
 * @typedef {object} Socket what of a WebSocket is used
 * @property {number} readyState
 * @property {(() => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(text: string) => void} send
 * @property {() => void} close
 */

/**
 * @typedef {new (address: string, protocols: string[]) => any} WebSocketClass
 */

/**
 * @typedef {(address: string, init?: any) => Promise<any>} Fetch
 */

/**
 * @typedef {object} Members of what `follow` gives
 * @property {Board | null} value the newest version of the (first) board
 * @property {Readonly<Record<string, Board>>} values those of all boards, by their ids
 * @property {State} state of the (first) board
 * @property {Way | null} via how it comes at present; own numbers come by `socket` alone
 * @property {Retry | null} retry while reconnecting: how often it failed, and when it tries again
 * @property {number | null} heardAt when the service has last been heard, in milliseconds of `Date.now()`
 * @property {(callback: (board: Board | null, state: State) => void) => () => void} subscribe calls at once, then
 *   whenever a board or a state has changed; gives the function that ends it
 * @property {<T extends keyof Events>(type: T, listener: (event: Events[T]) => void) => void} addEventListener `error`,
 *   and `own`, which has the service tell one's own numbers
 * @property {<T extends keyof Events>(type: T, listener: (event: Events[T]) => void) => void} removeEventListener
 * @property {(boards: string | string[]) => void} turnTo follows these boards in place of those before
 * @property {() => void} close
 */

/**
 * @typedef {Readonly<Members> & AsyncIterable<Board>} Following a Svelte store, besides; `for await` gives the newest
 *   boards until it is closed, and throws what has ended it otherwise
 */

export {};
