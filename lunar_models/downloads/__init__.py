"""Download the catalogue and the mosaic, verified and resumable."""
