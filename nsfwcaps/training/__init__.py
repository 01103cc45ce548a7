"""Fine-tuning with torch, without file access: losses, methods, adapters, curriculum, loop."""
