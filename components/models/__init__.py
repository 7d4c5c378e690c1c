"""The Recommender protocol, its families and the bundle on disk; numpy only, so that it can serve.

Every family answers in one form, so that a rating is a dot product and a list is a matrix product:

    rating(u, i) = μ + bias_u + bias_i + ⟨vector_u, vector_i⟩, clipped to the scale

Dimension letters: U users, I items, B rows of a batch, N ratings, D width of a family's vectors,
E width of an image embedding.
"""
