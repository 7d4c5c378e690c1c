"""Learning a recommender from ratings and embeddings, in PyTorch."""
