"""From a finished candidate to a champion: comparison, gate and registry."""
