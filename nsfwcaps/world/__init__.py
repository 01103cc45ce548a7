"""The icon world: scenes with known ground truth, as each is a graph before it is an image.

vocabulary  ─▶ scene (a graph) ─▶ edits (its unsafe twin, looser neighbours)
               scene + seed    ─▶ caption, picture
               two scenes      ─▶ distance: which safe scenes are the closest counterparts
"""
