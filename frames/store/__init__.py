"""A dataset on disk: whole Zarr shards, labels, a card written last."""
