"""The board as the sockets of this process see it, and how changes get here."""
