"""The version, which records, cards and the wheel carry."""

__version__ = "0.1.0"
