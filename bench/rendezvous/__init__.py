"""Rendezvous servers side by side: whole exchanges, idle clients, allocation, a slow disk."""
