"""What is seen of a recommender in service: pure statistics, and the snapshot that they make."""
