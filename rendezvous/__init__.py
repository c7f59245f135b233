"""
The rendezvous server: short messages between two clients, stored until they are fetched.

It knows neither the relay nor the program around it: whoever puts it to work hands it a reactor, a
database and an observer.
"""
