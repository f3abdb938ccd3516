"""What the steps share: options, tracking, cache, registry, pipeline."""
