"""Task runners: where submitted runs execute."""
