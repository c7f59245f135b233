"""
The browser client as it is served: files that the package build makes of `web/`.

`files.json` lists them with their SHA-256. Nothing of it is committed. The folder holds this module alone
where the project was built without the client.
"""
