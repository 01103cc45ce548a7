"""Assignment of pairs: policy, queue, sessions, exposure, and one annotator's desk."""
