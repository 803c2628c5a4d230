"""The benchmark: the real processes of the Procfile beside references that are measured in the same run."""
