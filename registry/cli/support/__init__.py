"""What commands share: options, session, output, progress and exit codes."""
