"""Generation with a fine-tuned tower: run a third-party generator and judge its output.

`towers.py` reads a tower, `swap.py` puts it into the generator, and `text_to_image.py` and
`image_to_text.py` run the generator.
"""
