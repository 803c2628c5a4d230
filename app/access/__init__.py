"""Who may come in: tokens and their revocation, passwords, addresses, rate limits, admission."""
