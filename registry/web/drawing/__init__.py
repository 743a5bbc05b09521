"""Pictures: values in, coordinates out. The templates below ``templates/drawing`` make markup of them."""
