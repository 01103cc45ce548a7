"""Generation with a fine-tuned tower: a pipeline or model of others, run and judged by detectors.

`towers.py` reads the tower and `swap.py` puts it in; `text_to_image.py` and `image_to_text.py` run.
"""
