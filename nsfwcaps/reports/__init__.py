"""Reports: from the files of an evaluation to one HTML page and one Markdown page."""
