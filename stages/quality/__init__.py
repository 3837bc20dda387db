"""Quality: signals that tell good text from bad, and fit steps that find their thresholds."""
