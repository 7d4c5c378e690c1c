"""From image bytes to embeddings: decoding, encoders and the content-addressed store."""
