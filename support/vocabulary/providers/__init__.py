"""The nine external AI providers: how they answer, what reached them, and what became of their embeddings."""
