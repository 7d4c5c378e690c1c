"""The answer log: what the endpoint answered, written behind its answers, kept for some weeks."""
