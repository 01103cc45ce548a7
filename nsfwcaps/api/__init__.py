"""What `import nsfwcaps` offers: the pipeline and its parts, from Python."""
