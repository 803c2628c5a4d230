"""Accounts: how users come into being, one or many, and how one who forgot the password gets back in."""
