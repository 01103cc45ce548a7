"""Running torch models: device, memory, silence, prefetching, loading."""
