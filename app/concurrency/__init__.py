"""Batches, threads and single flights: help with work that comes at the same time."""
