"""The API's description: OpenAPI for REST, AsyncAPI for the WebSocket.

Bodies are described by the types that decode them, answers by the types that are answered.
"""
