"""Who makes the shards of a stage: this process, others on this machine, parts of a job, or Ray.

driver ─ phases ─▶ parts ─▶ workers make missing shards (`worker`) ─▶ journals
       ─ the stage's own `run` finds them, makes what is left, and writes the record

order         what a worker is asked for, and whether it has the same code and weights
shareable     what can be shared: stages, and the embedding of an evaluation
worker        makes parts of one stage; the same in a process, in a Ray actor and in a part
sharing_out   the driver: phase after phase, parts to whoever is free
processes     workers on this machine, one for each GPU or core
parts         `--part i/n`: this process is one worker of n; `claims` says which ones are at work
ray_cluster   workers on a Ray cluster, its actors
supply        the run's files for workers that do not see its folder; `mirror` is their side
"""
