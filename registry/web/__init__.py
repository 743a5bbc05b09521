"""The web interface: pages for people with a browser, made of the services that the API has too."""
