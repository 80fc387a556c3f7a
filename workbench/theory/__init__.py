"""Pure numerics of the papers: arrays in, frozen results out; no configuration, no I/O."""
