"""Models that give text a score: fastText (language, quality, toxicity) and n-gram models (perplexity)."""
