"""Who makes the shards of a stage: this process, others on this machine, parts of a job, or Ray.

driver ─ phases ─▶ parts ─▶ workers make missing shards (`worker`) ─▶ journals
       ─ the stage's own `run` finds them, makes what is left, and writes the record

order         what a worker is asked for, and whether it has the same code and weights
worker        makes parts of one stage; the same in a process, in a Ray actor and in a part
processes     workers on this machine, one for each GPU or core
ray_cluster   workers on a Ray cluster
parts         `--part i/n`: this process is one worker of n; claims and what is done
sharing_out   the driver: phase after phase, parts to whoever is free
"""
