"""The web interface: pages for people, made on the server.

A page is a class with a template (``pages.Page``): a view makes it, ``rendering.page`` renders it. Each part of a page
is a cached property, so that a block which is requested alone reads only its own data. A form that changes
something is a page too; ``acts.act`` shows it, does the act once, and leads to where the result is. Views contain no
rule: what is allowed, displaced or wrong comes from the services as values or errors.

The address of a page is that of the API without ``/api/v1``.
"""
