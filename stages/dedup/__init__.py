"""Deduplication: stages that must see the whole corpus before they can say which rows are copies."""
