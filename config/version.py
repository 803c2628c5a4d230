"""The version of the service: its one place, read by everything that says it."""

VERSION = "1.0.0"
"""The newest release in CHANGELOG.md. It follows semver.org: the first number rises with what breaks a client."""
