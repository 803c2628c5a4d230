"""Serving the application below a path of its host, such as /board. Source: contract, section 2, ROOT_PATH."""

from collections.abc import Iterable

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BelowPath:
    """Takes ROOT_PATH off the paths that requests name, and puts it before those that answers name.

    A proxy may have taken it off before, or not: a path that doesn't begin with it is served as it is. So everything
    within knows paths as the contract has them, and probes of a platform reach `/healthz` past the proxy.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        if path == self._root_path or path.startswith(f"{self._root_path}/"):
            scope = {**scope, "path": path.removeprefix(self._root_path) or "/"}
        if scope.get("method") == "POST":
            # What it makes has a path, in an answer that must come by here: by no extension that leads past ASGI.
            scope = {**scope, "extensions": {}}

        async def send_located(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, self._located(name, value)) for name, value in message["headers"]]
            await send(message)

        await self.app(scope, receive, send_located)

    def _located(self, name: bytes, value: bytes) -> bytes:
        return self._root_path.encode() + value if name.lower() == b"location" and value.startswith(b"/") else value


def own_paths(routes: Iterable[BaseRoute]) -> set[str]:
    """Return the first parts of the service's own paths, such as `/users`.

    With one of them at the beginning of ROOT_PATH a path could be read in two ways.
    """
    parts = {str(getattr(route, "path", "")).split("/")[1] for route in routes}
    return {f"/{part}" for part in parts if part and not part.startswith("{")}
