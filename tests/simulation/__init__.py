"""A day of play, with cheats among the players: what the fraud rules hold back, and whom they leave alone."""
