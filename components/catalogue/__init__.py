"""The catalogue between trainings: what was accepted since, laid over a bundle."""
