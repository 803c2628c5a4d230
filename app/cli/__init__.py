"""What `bin/manage` runs: the operator's commands."""
