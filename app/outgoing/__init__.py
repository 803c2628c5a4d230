"""Requests that the service makes itself, to addresses that it was given: bounded, and only to where it may."""
