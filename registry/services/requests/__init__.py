"""Requests for approval: open and apply them (opening, applying), decide about them (deciding), and show them."""
