"""Support for commands: options, session, output, progress and exit codes."""
