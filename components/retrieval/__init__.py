"""Search in catalogues too large to score every item: an index, made with the Bento and tried."""
