"""The feedback log: what users did, acknowledged when stored, handed on exactly once."""
