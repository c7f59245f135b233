"""How bytes get from one buddy to the other. `link` says what a link is; the others are links."""
