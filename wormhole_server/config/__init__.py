"""
The configuration: the settings, their sources (flags, environment, TOML file), and how they are shown.

`settings` and `groups/` say what can be set, `kinds` and the modules it uses how one value is parsed,
`command_line` and `sources` where values come from. Of this package it imports `errors` and `version` only.
"""
