"""What proves the figures, and what makes the planted corpus."""
