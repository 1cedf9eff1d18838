"""What a family of models supplies, and what families of transformers share."""
