"""What a nuisance costs honest clients: exchanges beside it, against the same server at rest."""
