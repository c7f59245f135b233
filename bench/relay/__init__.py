"""Figures of the transit relay, side by side with the other relay and with HAProxy."""
