"""The files that a page names in its markup: at the addresses of this release, and all of its modules at once.

A browser learns of a module's imports once it has the module: without `modulepreload` it would find them level by
level, each a round trip later.
"""

import posixpath
import re
from collections.abc import Iterator

from app.routes.static_files import Release

_NAMED = re.compile(r'(href|src)="static/([^"]+)"')
_ENTRY = re.compile(r'^ *<script type="module" src="static/([^"]+)"', re.MULTILINE)
_IMPORT = re.compile(r'^(?:import|export) (?:[^;"]*? from )?"(\.[^"]+)";', re.MULTILINE)


def with_files(html: str, files: Release) -> str:
    """Return a page that names its files by their addresses of this release, and its modules before the first one."""
    html = _ENTRY.sub(lambda entry: _preloads(entry[1], files) + entry[0], html)
    return _NAMED.sub(rf'\1="static/{files.digest}/\2"', html)


def modules_of(entry: str, files: Release) -> list[str]:
    """Return the modules that an entry needs, as their imports are found from it on; the entry itself is left out."""
    found = [entry]
    for module in found:  # which grows meanwhile
        found += [it for it in dict.fromkeys(_imports(module, files)) if it not in found]
    return found[1:]


def _imports(module: str, files: Release) -> Iterator[str]:
    for path in _IMPORT.findall(files.files[module].body.decode()):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(module), path))


def _preloads(entry: str, files: Release) -> str:
    return "".join(f'  <link rel="modulepreload" href="static/{it}">\n' for it in modules_of(entry, files))
