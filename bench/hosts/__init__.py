"""`bin/bench --hosts`: the service on several small hosts, each a network namespace with a share of a core."""
