"""The BentoML service that answers for the promoted recommender."""
