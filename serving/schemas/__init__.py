"""What one may ask the endpoint and what it answers: every field typed, bounded and described."""
