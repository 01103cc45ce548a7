"""The table of contents: each module runs one stage, and only stages read and write artifacts."""
