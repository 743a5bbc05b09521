"""The web interface: pages rendered on the server.

A page is a class with a template (``pages.WebPage``): a view creates it, ``rendering.page`` renders it. Each part of a
page is a cached property, so that a block which is requested alone reads only its own data. A form that changes data is
a page too; ``acts.act`` renders it, executes it once, and redirects to the result. Views contain no rules: services
return what is allowed and displaced as values, and refuse with errors.

The address of a page is that of the API without ``/api/v1``.
"""
