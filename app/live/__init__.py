"""The live boards of a web process: kept in memory, fed from Redis, pushed to its sockets."""
