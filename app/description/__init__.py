"""What the API says of itself: OpenAPI for REST, AsyncAPI for the WebSocket, made from the types that are at work."""
