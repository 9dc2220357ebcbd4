"""The scorecard: how often the detector rings when it should, how soon, and how often when it should not."""
