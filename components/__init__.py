"""The steps and what they are made of: plain functions from typed parameters and files to files."""
