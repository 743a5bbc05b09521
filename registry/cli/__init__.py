"""The command line, ``registry``: one module per group of commands.

    main            the commands by name, loaded when used; the exit code
    options, session, config, credentials    which registry, with which token
    params, times   what arguments may look like
    output, tables, cells, bars, exits       sentences, tables and their values, JSON, progress, exit codes
    views, entries                           models and versions, history and refusals
    register, facts, ci, git                 a new version and where it came from
    stages, show, files, audit               promote, roll back, look, pull, verify
    model, version, alias, tag, token, identity
    importing, exporting                     from and to MLflow's registries: mlflow_library, moving
    import_stages, prompt_import, prompt_export
    serve, db, admin, server                 commands that run on the server's machine

Modules import click and the standard library at the top; the client, rich and the server only inside functions, so that
``registry --help`` is quick and works without the server's packages.
"""
