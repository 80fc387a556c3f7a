"""One question over many runs: a grid of settings, its members in shards, one folder."""
