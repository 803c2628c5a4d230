"""Concurrency: batches, thread pools with bounded queues, and single flights."""
