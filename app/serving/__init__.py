"""What uvicorn is given: protocols for HTTP and WebSocket, the event loop, and how a process ends."""
