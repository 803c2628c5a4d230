"""What a server can push at best: a bare loop of `send`, in uvicorn with the protocol that the service has.

Whenever any socket says something, all sockets are sent it.
"""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

SENDS: list[Send] = []


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Take a socket, and send to all whatever it says."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    SENDS.append(send)
    while (message := await receive())["type"] == "websocket.receive":
        for each in SENDS:
            await each({"type": "websocket.send", "text": message["text"]})
    SENDS.remove(send)


if __name__ == "__main__":
    uvicorn.run(
        serve,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        backlog=2048,
        lifespan="off",
        log_level="critical",
        access_log=False,
    )
