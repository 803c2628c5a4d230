"""Access: tokens and their revocation, passwords, client addresses, rate limits."""
