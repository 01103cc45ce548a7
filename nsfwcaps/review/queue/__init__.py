"""Who sees which pair when: policy, queue, sessions, exposure, and the desk of one annotator."""
