"""The files of the pages, each read and compressed once, at addresses that browsers never ask for a second time.

A file has two addresses. `/static/page.js` is the one for other people's pages: it stays, and a browser asks each time
whether the file is still the same. `/static/<digest>/page.js` is the one in our own pages: the digest is that of all
files together, so what is there never changes and is kept for good (`immutable`). Modules import each other by relative
addresses, so whatever a page of a release loads is of that release.

While a release goes out, processes of both answer. A page of one may then ask a process of the other for
`/static/<digest of the other>/page.js`. A 404 would leave the reader without a page, and a redirect would load modules
twice, under two addresses, each with a state of its own. So the file of that name is answered, as this process has it,
with `no-store`: nobody keeps it under an address that isn't its own, no proxy either. A module that fits the others
badly can stop a page for once; the next load is whole.

Pages themselves are asked for each time (`no-cache`), so the first load after a release names the files of the new one.
"""

import gzip
import hashlib
import mimetypes
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from app.routes.etags import matches

FOLDER = Path(__file__).parent.parent / "static"
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
FOR_ANYBODY = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""Pages of other origins may import client and element, and what these import: nothing in it is a secret."""

_VERSIONED = re.compile(r"([0-9a-f]{16})/(.+)")
_WORTH_COMPRESSING = 512
"""Bytes; what is shorter fits into one packet as it is."""


@dataclass(frozen=True)
class Content:
    """Bytes with their media type and ETag; `compressed` is None where it would gain nothing."""

    body: bytes
    compressed: bytes | None
    media_type: str
    etag: str

    @staticmethod
    def of(body: bytes, media_type: str) -> "Content":
        """Compress what gets shorter by it."""
        compressed = gzip.compress(body, mtime=0) if len(body) >= _WORTH_COMPRESSING else body
        gains = len(compressed) < 0.9 * len(body)
        return Content(body, compressed if gains else None, media_type, hashlib.sha256(body).hexdigest()[:32])


@dataclass(frozen=True)
class Release:
    """All files by their paths, such as `words/en.json`, and the digest of them all, which tells releases apart."""

    files: Mapping[str, Content] = field(compare=False)
    digest: str


def release(*, production: bool) -> Release:
    """Return the files: in production as they were when the first one was asked for, else as they are now."""
    return _read(None if production else tuple(_stamps(FOLDER)))


@lru_cache(maxsize=2)
def _read(stamps: tuple[tuple[str, int, int], ...] | None) -> Release:
    paths = sorted(path for path in FOLDER.rglob("*") if path.is_file())
    files = {path.relative_to(FOLDER).as_posix(): _content(path) for path in paths}
    named = "".join(f"{name} {content.etag}\n" for name, content in files.items())
    return Release(files, hashlib.sha256(named.encode()).hexdigest()[:16])


def _content(path: Path) -> Content:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Content.of(path.read_bytes(), _MEDIA_TYPES.get(path.suffix, media_type))


_MEDIA_TYPES = {".js": "text/javascript", ".ts": "text/plain", ".woff2": "font/woff2"}
"""Those that machines disagree about."""


def _stamps(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Yield what tells that files have changed: the path, time and size of each."""
    for entry in sorted(os.scandir(folder), key=lambda it: it.name):
        if entry.is_dir():
            yield from _stamps(Path(entry.path))
        else:
            yield entry.path, entry.stat().st_mtime_ns, entry.stat().st_size


def answer(request: Request, content: Content, headers: Mapping[str, str]) -> Response:
    """Answer with the content, compressed for who takes that, or with 304 to who has it already."""
    zipped = content.compressed if "gzip" in _codings(request) else None
    etag = f'"{content.etag}-gzip"' if zipped is not None else f'"{content.etag}"'
    vary = ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))
    headers = {**headers, "ETag": etag, "Vary": vary}
    if matches(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    if zipped is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(content.body if zipped is None else zipped, media_type=content.media_type, headers=headers)


def file_at(path: str, files: Release) -> tuple[Content | None, str]:
    """Return what is at a path below `/static/`, if anything, and the Cache-Control of that address."""
    versioned = _VERSIONED.fullmatch(path)
    if versioned is None:
        return files.files.get(path), ASK_EACH_TIME
    return files.files.get(versioned[2]), FOR_GOOD if versioned[1] == files.digest else "no-store"


def _codings(request: Request) -> set[str]:
    """Return the codings that an Accept-Encoding takes."""
    parts = (
        part.replace(" ", "").lower().partition(";") for part in request.headers.get("accept-encoding", "").split(",")
    )
    return {coding for coding, _, weight in parts if not re.fullmatch(r"q=0(\.0*)?", weight)}
