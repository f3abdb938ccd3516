"""One file per encoder family; `lunar_models.encoders.build` lists them."""
