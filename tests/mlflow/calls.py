"""A table of calls, made by a real MLflow client: run by its Python, never imported by ours.

``python calls.py URL…`` makes every call on each server and prints, for each, one JSON object with the results of
the calls by label. The modules beside it (``call_recorder``, ``wire_calls``) are imported from this script's directory.
"""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"

import mlflow  # noqa: E402 -- after the settings that it reads
from call_recorder import Recorder  # noqa: E402 -- as above
from mlflow import MlflowClient  # noqa: E402 -- as above
from wire_calls import wire  # noqa: E402 -- as above

RUN = "0123456789abcdef0123456789abcdef"
S3 = "s3://bucket/path/model"


def catalogue(call, client):
    call("create", client.create_registered_model, "fraud", {"team": "risk", "empty": ""}, "all about fraud")
    call("create bare", client.create_registered_model, "bare")
    call("create odd", client.create_registered_model, "odd name %20 & ü#1")
    call("create again", client.create_registered_model, "fraud")
    for label, name in (
        ("empty", ""),
        ("blank", "  "),
        ("slash", "a/b"),
        ("colon", "a:b"),
        ("dot", "."),
        ("dots", ".."),
    ):
        call(f"create {label}", client.create_registered_model, name)
        call(f"get {label}", client.get_registered_model, name)
    call("get", client.get_registered_model, "fraud")
    call("get odd", client.get_registered_model, "odd name %20 & ü#1")
    call("get missing", client.get_registered_model, "nobody")
    call("update", client.update_registered_model, "fraud", "new words")
    call("update clears", client.update_registered_model, "fraud")
    call("update missing", client.update_registered_model, "nobody", "x")
    call("set tag", client.set_registered_model_tag, "fraud", "team", "crime")
    call("set tag spaced", client.set_registered_model_tag, "fraud", "a b/c.d-e:f", "1")
    call("set tag missing", client.set_registered_model_tag, "nobody", "a", "1")
    for label, key in (("slash", "/a"), ("dots", "../a"), ("double", "a//b"), ("odd", "a$b"), ("long", "k" * 251)):
        call(f"set tag {label}", client.set_registered_model_tag, "fraud", key, "1")
    call("set tag long value", client.set_registered_model_tag, "fraud", "long", "v" * 100_001)
    call("get tagged", client.get_registered_model, "fraud")
    call("delete tag", client.delete_registered_model_tag, "fraud", "team")
    call("delete tag again", client.delete_registered_model_tag, "fraud", "team")
    call("delete tag missing", client.delete_registered_model_tag, "nobody", "team")
    call("rename", client.rename_registered_model, "bare", "dressed")
    call("rename taken", client.rename_registered_model, "dressed", "fraud")
    call("rename missing", client.rename_registered_model, "nobody", "anybody")
    call("rename blank", client.rename_registered_model, "dressed", " ")
    call("get renamed", client.get_registered_model, "bare")
    call("delete", client.delete_registered_model, "dressed")
    call("delete again", client.delete_registered_model, "dressed")


def versions(call, client):
    client.create_registered_model("sources")
    call("version", client.create_model_version, "fraud", S3, RUN, {"size": "big"}, "https://runs.test/1", "first")
    call("version bare", client.create_model_version, "fraud", S3)
    call("version equal", client.create_model_version, "fraud", S3)
    call("version of nobody", client.create_model_version, "nobody", S3)
    call("version dots", client.create_model_version, "fraud", "s3://bucket/../secret")
    call("version encoded dots", client.create_model_version, "fraud", "s3://bucket/%252e%252e/secret")
    call("version nul", client.create_model_version, "sources", "https://host/a%00b")
    call("version no source", client.create_model_version, "fraud", "")
    call("version run", client.create_model_version, "fraud", f"runs:/{RUN}/model", RUN)
    call("version other run", client.create_model_version, "fraud", f"runs:/{RUN}/model", "f" * 32)
    call("version logged", client.create_model_version, "fraud", "models:/m-" + "0" * 32)
    call("version local", client.create_model_version, "sources", "/etc/passwd")
    call("version file", client.create_model_version, "sources", "file:///etc/passwd")
    call("version http", client.create_model_version, "sources", "https://elsewhere.test/model")
    call("version bad tag", client.create_model_version, "fraud", S3, tags={"a$b": "1"})
    call("get version", client.get_model_version, "fraud", "1")
    call("get version bare", client.get_model_version, "fraud", "2")
    for label, number in (("missing", "99"), ("zero", "0"), ("negative", "-1"), ("word", "x"), ("spaced", " 1"),
                          ("huge", "9" * 30)):  # fmt: skip
        call(f"get version {label}", client.get_model_version, "fraud", number)
    call("get version of nobody", client.get_model_version, "nobody", "1")
    call("update version", client.update_model_version, "fraud", "1", "better words")
    call("update version clears", client.update_model_version, "fraud", "1")
    call("update version missing", client.update_model_version, "fraud", "99", "x")
    call("tag version", client.set_model_version_tag, "fraud", "1", "stage of mind", "calm")
    call("tag version empty", client.set_model_version_tag, "fraud", "1", "empty", "")
    call("tag of a stage", client.set_model_version_tag, "fraud", key="a", value="1", stage="None")
    call("untag of a stage", client.delete_model_version_tag, "fraud", key="a", stage="None")
    call("tag of an empty stage", client.set_model_version_tag, "fraud", key="a", value="1", stage="Production")
    call("tag version missing", client.set_model_version_tag, "fraud", "99", "a", "1")
    call("get version tagged", client.get_model_version, "fraud", "1")
    call("untag version", client.delete_model_version_tag, "fraud", "1", "stage of mind")
    call("untag version again", client.delete_model_version_tag, "fraud", "1", "stage of mind")
    call("untag version missing", client.delete_model_version_tag, "fraud", "99", "a")
    call("download uri", client.get_model_version_download_uri, "fraud", "1")
    call("download uri missing", client.get_model_version_download_uri, "fraud", "99")
    call("get after versions", client.get_registered_model, "fraud")


def stages(call, client):
    move = client.transition_model_version_stage
    call("to staging", move, "fraud", "1", "staging")
    call("to production", move, "fraud", "1", "Production")
    call("get after a move", client.get_registered_model, "fraud")
    call("second production", move, "fraud", "2", "PRODUCTION")
    call("latest production", client.get_latest_versions, "fraud", ["Production"])
    call("third takes over", move, "fraud", "3", "Production", True)
    call("the first is archived", client.get_model_version, "fraud", "1")
    call("the second is archived", client.get_model_version, "fraud", "2")
    call("archive archives nobody", move, "fraud", "3", "Archived", True)
    call("none archives nobody", move, "fraud", "3", "None", True)
    call("back to none", move, "fraud", "3", "None")
    call("to production at once", move, "fraud", "2", "Production")
    call("bogus stage", move, "fraud", "2", "bogus")
    call("move missing", move, "fraud", "99", "Staging", True)
    call("latest", client.get_latest_versions, "fraud")
    call("latest of two", client.get_latest_versions, "fraud", ["None", "archived"])
    call("latest bogus", client.get_latest_versions, "fraud", ["bogus"])
    call("latest of nobody", client.get_latest_versions, "nobody")
    call("stages", client.get_model_version_stages, "fraud", "1")


def aliases(call, client):
    point = client.set_registered_model_alias
    call("alias", point, "fraud", "champion", "1")
    call("alias again", point, "fraud", "champion", "2")
    call("second alias", point, "fraud", "Champion", "2")
    call("by alias", client.get_model_version_by_alias, "fraud", "champion")
    call("by latest", client.get_model_version_by_alias, "fraud", "latest")
    call("by Latest", client.get_model_version_by_alias, "fraud", "LaTeSt")
    call("by nothing", client.get_model_version_by_alias, "fraud", "nothing")
    call("by alias of nobody", client.get_model_version_by_alias, "nobody", "champion")
    for label, alias in (
        ("latest", "Latest"),
        ("v", "v12"),
        ("V", "V1"),
        ("odd", "a b"),
        ("long", "a" * 256),
        ("v1x", "v1x"),
    ):
        call(f"alias {label}", point, "fraud", alias, "1")
    for label, alias in (("number", "12"), ("stage", "production"), ("unicode", "größe")):
        call(f"alias {label}", point, "fraud", alias, "1")
        client.delete_registered_model_alias("fraud", alias)
    call("alias to nothing", point, "fraud", "lost", "99")
    call("alias of nobody", point, "nobody", "lost", "1")
    call("get aliased", client.get_registered_model, "fraud")
    call("get version aliased", client.get_model_version, "fraud", "2")
    call("unalias", client.delete_registered_model_alias, "fraud", "Champion")
    call("unalias again", client.delete_registered_model_alias, "fraud", "Champion")
    call("unalias of nobody", client.delete_registered_model_alias, "nobody", "Champion")


def pages(search, **options):
    """All that a search finds, two at a time."""
    found, token = [], None
    while not found or token:
        page = search(max_results=2, page_token=token, **options)
        found, token = found + list(page), page.token
    return found


def searches(call, client):
    client.delete_registered_model("sources")
    for name, tag in (("alpha", "x"), ("Beta", "x"), ("beta-2", "y"), ("gamma", None)):
        client.create_registered_model(name, {"k": tag} if tag else None)
        client.create_model_version(name, f"{S3}/{name}", tags={"k": tag} if tag else None)
    names = lambda found: [model.name for model in found]  # noqa: E731 -- one line says it
    spots = lambda found: [f"{version.name}:{version.version}" for version in found]  # noqa: E731 -- as above

    def models(label, text=None, **options):
        call(f"models {label}", lambda: names(client.search_registered_models(text, **options)))

    def found(label, text, **options):
        call(f"versions {label}", lambda: spots(client.search_model_versions(text, **options)))

    models("all")
    models("by name", "name = 'alpha'")
    models("like", "name LIKE 'be%'")
    models("ilike", "name ILIKE 'be%'")
    models("tag", "tags.k = 'x'")
    models("tag not", "tags.k != 'x'")
    models("both", "name ILIKE '%a%' AND tag.`k` = 'x'")
    models("ordered", order_by=["name DESC"])
    models("by time", order_by=["last_updated_timestamp ASC", "name DESC"])
    models("two", max_results=2)
    for label, text in (("or", "name = 'a' OR name = 'b'"), ("number", "name = 1"), ("bare", "name = alpha"),
                        ("unknown key", "stage = 'x'"), ("operator", "name > 'a'"), ("blank", "   "),
                        ("quote", "name = 'a"), ("semicolon", "name = 'a';"), ("null", "name IS NULL")):  # fmt: skip
        models(f"refuses {label}", text)
    models("refuses order", order_by=["creation_timestamp"])
    models("refuses order words", order_by=["name UP"])
    models("refuses too many", max_results=1001)
    models("refuses token", page_token="evilhax")
    found("of model", "name = 'fraud'", order_by=["version_number ASC"])
    found("of run", f"run_id = '{RUN}'", order_by=["version_number ASC"])
    found("of runs", f"run_id IN ('{RUN}', 'x')", order_by=["version_number ASC"])
    found("of source", f"source_path = '{S3}/alpha'")
    found("numbered", "name = 'fraud' and version_number >= 2", order_by=["version_number DESC"])
    found("tagged", "tags.k = 'x'", order_by=["name"])
    found("first two", "name = 'fraud'", order_by=["version_number"], max_results=2)
    for label, text in (("stage", "stage = 'x'"), ("list", "name IN ()"), ("numbers", "run_id IN (1)"),
                        ("word", "version_number = 'x'"), ("like", "version_number LIKE '1'")):  # fmt: skip
        found(f"refuses {label}", text)
    found("refuses order", "name = 'fraud'", order_by=["run_id"])
    call("whole models", client.search_registered_models, "name = 'alpha'")
    call("whole versions", client.search_model_versions, "name = 'alpha'")
    call("pages of models", lambda: names(pages(client.search_registered_models)))
    call("pages of versions", lambda: spots(pages(client.search_model_versions, order_by=["name", "version_number"])))
    if hasattr(mlflow, "set_model_version_tag"):
        call("fluent tag", mlflow.set_model_version_tag, "alpha", "1", "a", "b")
    call("fluent models", lambda: names(mlflow.search_registered_models(filter_string="name LIKE '%a%'")))
    if hasattr(mlflow, "search_model_versions"):
        call("fluent versions", lambda: sorted(spots(mlflow.search_model_versions(filter_string="name='fraud'"))))


def copies(call, client):
    call("copy", client.copy_model_version, "models:/fraud/1", "copies")
    call("copy of alias", client.copy_model_version, "models:/fraud@champion", "copies")
    call("copy of stage", client.copy_model_version, "models:/fraud/Production", "copies")
    call("copy of a copy", client.copy_model_version, "models:/copies/1", "more")
    call("copy of nothing", client.copy_model_version, "models:/fraud/99", "copies")
    call("copy of latest", client.copy_model_version, "models:/fraud/latest", "copies")
    call("register a version", mlflow.register_model, "models:/fraud/1", "copies", tags={"kind": "again"})
    call("register by an alias", mlflow.register_model, "models:/fraud@champion", "copies")
    call("register nothing", mlflow.register_model, "models:/fraud/99", "copies")
    call("copy's uri", client.get_model_version_download_uri, "more", "1")
    call("fluent register", mlflow.register_model, S3, "fluent", tags={"a": "b"})
    call("fluent register again", mlflow.register_model, S3, "fluent")
    call("delete the original", client.delete_model_version, "fraud", "1")
    call("copy's uri afterwards", client.get_model_version_download_uri, "more", "1")


def deletions(call, client):
    call("delete version", client.delete_model_version, "fraud", "2")
    call("delete version again", client.delete_model_version, "fraud", "2")
    call("delete version missing", client.delete_model_version, "fraud", "99")
    call("get deleted", client.get_model_version, "fraud", "2")
    call("alias of a deleted", client.get_model_version_by_alias, "fraud", "champion")
    call("get after deletions", client.get_registered_model, "fraud")
    call("numbers go on", lambda: client.create_model_version("fraud", S3).version)
    call("delete whole", client.delete_registered_model, "fraud")
    call("get deleted model", client.get_registered_model, "fraud")
    call("get version of deleted model", client.get_model_version, "fraud", "3")
    call("search after deletion", lambda: len(client.search_model_versions("name = 'fraud'")))
    call("create anew", client.create_registered_model, "fraud")
    call("number anew", lambda: client.create_model_version("fraud", S3).version)


def prompts(call, client):
    if not hasattr(mlflow, "register_prompt"):
        return
    text = lambda prompt: [prompt.name, prompt.version, prompt.template, prompt.commit_message]  # noqa: E731 -- one line
    call("prompt", lambda: text(mlflow.register_prompt("greet", "Hello {{name}}", commit_message="first")))
    call("prompt again", lambda: text(mlflow.register_prompt("greet", "Hi {{name}}")))
    call("load prompt", lambda: text(mlflow.load_prompt("prompts:/greet/1")))
    call("prompt alias", mlflow.set_prompt_alias, "greet", "live", 2)
    call("load by alias", lambda: text(mlflow.load_prompt("prompts:/greet@live")))
    call("prompt is no model", client.get_registered_model, "greet")
    call("a model over a prompt", client.create_registered_model, "greet")
    call("a prompt over a model", lambda: text(mlflow.register_prompt("alpha", "x")))
    call("models hide prompts", lambda: [m.name for m in client.search_registered_models("name = 'greet'")])
    call("versions hide prompts", lambda: len(client.search_model_versions("name = 'greet'")))
    call("load no prompt", lambda: text(mlflow.load_prompt("prompts:/nobody/1")))
    if not hasattr(client, "search_prompts"):
        return
    call("get prompt", lambda: client.get_prompt("greet").tags)
    call("get no prompt", lambda: client.get_prompt("nobody"))
    call("create prompt", lambda: client.create_prompt("bare", "a text to be", {"team": "risk"}).tags)
    call("create prompt again", lambda: client.create_prompt("bare").name)
    call("prompt version", lambda: text(client.create_prompt_version("bare", "Hello", "first", {"a": "b"})))
    call("register by client", lambda: text(client.register_prompt("bare", "Hello again")))
    call("load by client", lambda: text(client.load_prompt("prompts:/bare/2")))
    call("get prompt version", lambda: text(client.get_prompt_version("bare", "1")))
    call("get no prompt version", lambda: client.get_prompt_version("bare", "9"))
    call("alias by client", client.set_prompt_alias, "bare", "live", 1)
    call("prompt by alias", lambda: text(client.get_prompt_version_by_alias("bare", "live")))
    call("unalias prompt", client.delete_prompt_alias, "bare", "live")
    call("set prompt tag", client.set_prompt_tag, "bare", "k", "v")
    call("delete prompt tag", client.delete_prompt_tag, "bare", "k")
    call("set prompt version tag", client.set_prompt_version_tag, "bare", "1", "k", "v")
    call("delete prompt version tag", client.delete_prompt_version_tag, "bare", "1", "k")
    call("prompt versions", lambda: sorted(text(version) for version in client.search_prompt_versions("bare")))
    call("search prompts", lambda: sorted(prompt.name for prompt in client.search_prompts()))
    call("search prompts by name", lambda: [prompt.name for prompt in client.search_prompts("name = 'bare'")])
    call("search prompts by tag", lambda: [prompt.name for prompt in client.search_prompts("tags.team = 'risk'")])
    call("delete prompt version", client.delete_prompt_version, "bare", "1")
    call("delete prompt version again", client.delete_prompt_version, "bare", "1")
    call("delete prompt with versions", client.delete_prompt, "greet")
    if hasattr(mlflow, "delete_prompt_alias"):
        call("fluent prompt alias", mlflow.set_prompt_alias, "bare", "fluent", 2)
        call("fluent prompt unalias", mlflow.delete_prompt_alias, "bare", "fluent")
    call("fluent prompts", lambda: sorted(prompt.name for prompt in mlflow.search_prompts()))


def prompt_aliases(call, client):
    if not hasattr(mlflow, "set_prompt_alias"):
        return
    load = lambda place: mlflow.load_prompt(f"prompts:/signed{place}").template  # noqa: E731 -- one line says it
    for number in (1, 2, 3):
        mlflow.register_prompt("signed", f"Text {number}")
    for alias, number in (("production", 1), ("Staging", 2), ("archived", 1), ("None", 2)):
        call(f"prompt alias {alias}", mlflow.set_prompt_alias, "signed", alias, number)
        call(f"load by alias {alias}", load, f"@{alias}")
    call("move prompt alias", mlflow.set_prompt_alias, "signed", "production", 2)
    call("load by a moved alias", load, "@production")
    for alias, number in (("latest", 1), ("v1", 1), ("12", 1), ("lost", 99)):
        call(f"prompt alias {alias}", mlflow.set_prompt_alias, "signed", alias, number)
    call("unalias a prompt's stage", mlflow.delete_prompt_alias, "signed", "Staging")
    if not hasattr(client, "delete_prompt_version"):
        return
    call("delete prompt version with aliases", client.delete_prompt_version, "signed", "2")
    call("load by alias of a deleted", load, "@production")
    call("load by alias of another", load, "@archived")
    call("prompt numbers go on", lambda: client.create_prompt_version("signed", "Text 4").version)
    for number in ("1", "3", "4"):
        client.delete_prompt_version("signed", number)
    call("delete a prompt without versions", client.delete_prompt, "signed")
    client.create_prompt("signed")
    call("prompt number anew", lambda: client.create_prompt_version("signed", "Again").version)


def webhooks(call, client):
    if not hasattr(client, "create_webhook"):
        return
    call("no webhooks", lambda: len(client.list_webhooks()))
    call("create webhook", client.create_webhook, "ci", "https://192.0.2.1/hook", ["model_version.created"])
    call("get no webhook", client.get_webhook, "nothing")
    call("update no webhook", client.update_webhook, "nothing", name="other")
    call("delete no webhook", client.delete_webhook, "nothing")
    call("test no webhook", client.test_webhook, "nothing")


def main(urls):
    for url in urls:
        call = Recorder(url)
        for part in (catalogue, versions, stages, aliases, searches, copies, deletions, prompts,
                     prompt_aliases, webhooks, wire):  # fmt: skip
            part(call, call.client)
        sys.stdout.write(json.dumps(call.results) + "\n")
    words = ("registered_model", "model_version", "latest_versions", "prompt", "webhook")
    methods = [name for name in dir(MlflowClient) if not name.startswith("_") and any(word in name for word in words)]
    sys.stdout.write(json.dumps({"methods": methods}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
