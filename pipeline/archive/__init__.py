"""The live API: all that an account knows of its fine-tuning jobs, kept as it was sent."""
