"""What an evaluation wrote, for people: files in, one HTML page and one Markdown page out."""
