"""Layout of charts and graphs as coordinates. The templates in ``templates/drawing`` render them."""
