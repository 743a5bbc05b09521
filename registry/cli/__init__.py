"""The command line, ``registry``.

    main        the commands by name, each loaded when it is used, and the exit code
    commands/   one module a group of commands
    mlflow/     exports to and imports from MLflow registries
    proof/      verification of the audit log from a client's machine
    support/    what commands share: options, session, output, progress, exit codes

Modules import click and the standard library at the top; the client, rich and the server only inside functions, so that
``registry --help`` is quick and works without the server's packages.
"""
