"""What runs shards: processes of this machine, or a cluster's."""
