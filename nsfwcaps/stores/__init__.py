"""Runs on object stores: `-w s3://bucket/run`.

Commands work in a mirror of the run, in the cache folder of this machine. Opening a mirror pulls
what the store has. What is committed to it is pushed: the files of a shard, then its journal row,
and `stage.json` last. Several machines can have mirrors of one run: the driver holds a lease.
"""
