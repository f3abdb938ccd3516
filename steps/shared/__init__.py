"""Share among the steps: options, tracking, cache, registry, pipeline."""
