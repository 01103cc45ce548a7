"""Torch at run time, for whoever runs a model: device, memory, silence, prefetching, loading."""
