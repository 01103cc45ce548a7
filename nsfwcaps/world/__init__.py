"""The icon world: scenes whose truth is known, because each is a graph before it is a picture.

vocabulary  ─▶ scene (a graph) ─▶ edits (its unsafe twin, looser neighbours)
               scene + seed    ─▶ caption, picture
               two scenes      ─▶ distance: which safe scenes are the closest counterparts
"""
