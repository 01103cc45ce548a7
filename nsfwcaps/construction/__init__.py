"""Construction: minimal edits that turn safe captions into unsafe counterparts.

The recipe of NSFWCaps (SafeR-CLIP, arXiv 2511.16743): keep the safe caption, let an editor add one
safety-critical element of a chosen category, then check and select the results.
"""
