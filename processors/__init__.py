"""The thinking: message types, text, companies, stories, baselines, tests, incidents. No I/O, no clock."""
