"""Construction: minimal edits that make unsafe counterparts of safe captions. No stage is imported.

The recipe is that of NSFWCaps (SafeR-CLIP, arXiv 2511.16743): the safe caption is kept, an editor
adds one safety-critical element of a chosen category, and what it wrote is checked and selected.
"""
