"""Detectors of unsafe images and texts behind one interface. `registry.py` knows their names."""
