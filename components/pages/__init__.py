"""What every page that we write for people shares: words, figures, pictures and style."""
