"""A browser of five years ago: today's Chromium without what browsers have learned since late 2021."""

import re

from playwright.sync_api import BrowserContext, Route

# Each of these is missing in at least one browser of that time: Chrome 96, Firefox 95, Safari 15.1.
_TAKE_AWAY = """
for (const [owner, names] of [
    [AbortSignal, ["timeout", "any"]],
    [Array, ["fromAsync"]],
    [Array.prototype, ["at", "findLast", "findLastIndex", "toSorted", "toReversed", "toSpliced", "with"]],
    [String.prototype, ["at", "isWellFormed", "toWellFormed"]],
    [Uint8Array, ["fromBase64", "fromHex"]],
    [Uint8Array.prototype, ["toBase64", "toHex"]],
    [Object, ["hasOwn", "groupBy"]],
    [Map, ["groupBy"]],
    [Map.prototype, ["getOrInsert", "getOrInsertComputed"]],
    [Set.prototype, ["union", "intersection", "difference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"]],
    [Promise, ["withResolvers", "try"]],
    [Response, ["json"]],
    [URL, ["canParse", "parse"]],
    [Crypto.prototype, ["randomUUID"]],
    [Navigator.prototype, ["wakeLock", "locks", "userActivation"]],
    [HTMLDialogElement.prototype, ["show", "showModal", "close"]],
    [Element.prototype, ["ariaBusy", "ariaDisabled", "ariaHidden", "ariaLabel", "ariaPressed", "checkVisibility",
        "requestFullscreen", "setHTML", "setHTMLUnsafe"]],
    [HTMLElement.prototype, ["inert", "popover", "showPopover", "hidePopover", "togglePopover"]],
    [Document.prototype, ["startViewTransition", "exitFullscreen", "fullscreenElement"]],
    [Node.prototype, ["moveBefore"]],
    [globalThis, ["structuredClone", "reportError", "BroadcastChannel", "scheduler", "navigation", "Iterator",
        "CloseWatcher", "URLPattern", "cookieStore", "CSSLayerBlockRule"]],
]) for (const name of names) delete owner[name];
"""

_AT_RULE = re.compile(r"@(?:layer|container|scope|starting-style|property)\b[^{;]*(?:;|\{(?:[^{}]*|\{[^{}]*\})*\})")
_NESTED = re.compile(r"(?:&|(?<=[;{])\s*[.#:>+~])[^{};]*\{[^{}]*\}")
_RULE = re.compile(r"[^{}]*:(?:has|is|where|focus-visible)\b[^{}]*\{[^{}]*\}")
_DECLARATION = re.compile(
    r"[\w-]+\s*:[^;{}]*(?:color-mix\(|light-dark\(|oklch\(|\d[dsl]v[hw]\b|round\()[^;{}]*;?"
    r"|(?:accent-color|overflow:\s*clip|text-wrap|overscroll-behavior|scrollbar-gutter)\b[^;{}]*;?"
)


def older_css(sheet: str) -> str:
    """Return what a parser of that time keeps of a style sheet; nested rules are those within a rule, not a medium."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    media = re.split(r"(@media[^{]*\{)", sheet)
    return "".join(part if part.startswith("@media") else _older_rules(part) for part in media)


def _older_rules(sheet: str) -> str:
    for gone in (_AT_RULE, _NESTED, _RULE, _DECLARATION):
        sheet = gone.sub("", sheet)
    return sheet


def make_older(context: BrowserContext) -> None:
    """Take the newer features away from every page of a context, from its scripts and from its style sheets."""

    def strip(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=older_css(answer.text()))

    context.add_init_script(_TAKE_AWAY)
    context.route("**/*.css", strip)


# What was still missing in Chromium 79, which TVs of 2021 have (webOS 6).
_TAKE_MORE_AWAY = """
for (const [owner, names] of [
    [Element.prototype, ["getAnimations", "replaceChildren"]],
    [Document.prototype, ["getAnimations", "timeline"]],
    [String.prototype, ["replaceAll"]],
    [Promise, ["any"]],
    [globalThis, ["WeakRef", "FinalizationRegistry", "AggregateError"]],
]) for (const name of names) delete owner[name];
const animate = Element.prototype.animate;
Element.prototype.animate = function (frames, options) {
  if (options && options.pseudoElement) throw new TypeError("it would animate the element itself");
  return animate.call(this, frames, options);
};
"""
_YOUNG = re.compile(r"[^{}]*:(?:not\([^)]*,|focus-visible)[^{}]*\{[^{}]*\}")
_YOUNG_DECLARATION = re.compile(r"(?<![\w-])(?:inset|gap|row-gap|column-gap|aspect-ratio)\s*:[^;{}]*;?")


def make_tv(context: BrowserContext) -> None:
    """Take away from a context what the browser of a TV of 2021 hasn't."""

    def strip(route: Route) -> None:
        answer = route.fetch()
        sheet = _YOUNG_DECLARATION.sub("", _YOUNG.sub("", older_css(answer.text())))
        route.fulfill(response=answer, body=sheet)

    context.add_init_script(_TAKE_AWAY + _TAKE_MORE_AWAY)
    context.route("**/*.css", strip)
