"""What a registration finds out about the process that makes it: the run of a CI system and the code that it runs."""
