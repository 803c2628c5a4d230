"""The API's description: OpenAPI for REST, AsyncAPI for the WebSocket.

Bodies are described by the types that decode them, and actions and rows by those that are answered. The other answers
are described in app/routes/shapes.py, beside the routes that write them; a test compares the two.
"""
