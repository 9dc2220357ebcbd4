"""The learning: data sets, fine-tuning, evaluation, export and the default model."""
