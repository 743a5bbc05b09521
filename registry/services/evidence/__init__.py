"""Evidence archives: everything about one model as one file that can be verified offline."""
