"""Fine-tuning: torch only, no files. Losses, the methods that name them, adapters, curriculum."""
