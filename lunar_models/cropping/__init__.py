"""Make crop sets from mosaics and crater catalogues."""
