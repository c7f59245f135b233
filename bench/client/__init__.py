"""Figures of file transfers: this client and the reference client, in every combination."""
