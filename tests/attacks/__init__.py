"""Long attacks on the running service, each by the hundred or the thousand. Run by name: bin/test tests/attacks."""
