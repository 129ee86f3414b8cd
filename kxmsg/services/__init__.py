"""The use-cases behind REST and frames."""
