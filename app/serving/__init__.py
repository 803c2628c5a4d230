"""Serving with uvicorn: its protocols for HTTP and WebSocket, the event loop, and graceful shutdown."""
