"""Classify a whole catalogue in shards: on one machine, as a job array, or on a Ray cluster."""
