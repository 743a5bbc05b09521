#!/bin/sh
# One step of a pipeline: STEP_COMMAND is register, promote or gate. deploy/github-action and deploy/azure run it, and
# deploy/gitlab holds a copy of it.
#
# What the pipeline says comes in through STEP_* variables and is never read as code: every value is one argument of
# `registry`. REGISTRY_URL and REGISTRY_TOKEN say where and who. It ends with the exit code of `registry`.
set -eu

need() { # $1 is the name of an input, $2 its value
  if [ -z "$2" ]; then
    printf '{"error": {"detail": "the input %s is needed for %s"}}\n' "$1" "$STEP_COMMAND" >"$step_files/err"
    report 2
  fi
}

report() { # tell the pipeline what came out, and end
  python3 - "$1" "$step_files" <<'PYTHON'
import html, json, os, pathlib, subprocess, sys

code, files = int(sys.argv[1]), pathlib.Path(sys.argv[2])
command, github = os.environ["STEP_COMMAND"], os.environ.get("GITHUB_ACTIONS") == "true"
azure = os.environ.get("TF_BUILD", "").lower() == "true"
DONE = {"register": "Registered", "promote": "Promoted", "gate": "May be promoted"}


def append(variable, text):
    if os.environ.get(variable):
        with open(os.environ[variable], "a", encoding="utf-8") as file:
            file.write(text)


def one_line(text):
    """What a runner reads as one line and no command: github's escapes, azure's, or text as it is."""
    if not (github or azure):
        return text
    text = text.replace("%", "%25" if github else "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace("##vso[", "## vso[") if azure else text


def say(kind, text):
    text = one_line(text)
    if github:
        text = f"::{kind} title=Model registry::{text}"
    elif azure and kind != "notice":
        text = f"##vso[task.logissue type={kind}]Model registry: {text}"
    print(text, flush=True)


def failed():
    told = (files / "err").read_text(encoding="utf-8", errors="replace").strip()
    try:
        told = json.loads(told.splitlines()[-1])["error"]["detail"]
    except (ValueError, LookupError, TypeError):
        pass
    say("error", f"{command}: {told or 'failed'}")
    append("GITHUB_STEP_SUMMARY", f"**Model registry** {command} failed: <code>{html.escape(told)}</code>\n")


def holder(model):
    """The version in production now, or none: the expected-current of a later promotion."""
    shown = subprocess.run(["registry", "show", "--json", "--", f"{model}#production"], capture_output=True, check=False)
    if shown.returncode == 4:
        return "none"
    if shown.returncode:
        (files / "err").write_bytes(shown.stderr)
        failed()
        sys.exit(shown.returncode)
    return str(json.loads(shown.stdout)["number"])


def warned():
    for line in (files / "err").read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            text = json.loads(line)["warning"]["detail"]
        except (ValueError, LookupError, TypeError):
            continue
        say("warning", text if github or azure else f"warning: {text}")


def succeeded():
    told = json.loads((files / "out").read_text(encoding="utf-8"))
    version = told["version"]
    found = {
        "version": str(version["number"]),
        "reference": f"{version['model']}:{version['number']}",
        "stage": told["target"] if command == "gate" else version["stage"],
        "created": json.dumps(told.get("created", False)),
        "changed": json.dumps(told.get("changed", told.get("created", False))),
    }
    if command == "gate":
        found["current"] = holder(version["model"])
    warned()
    say("notice", f"{DONE[command]}: {found['reference']} ({found['stage']})")
    append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in found.items()))
    if azure:
        for name, value in found.items():
            print(f"##vso[task.setvariable variable={name};isOutput=true]{one_line(value)}", flush=True)
    append("STEP_DOTENV", "".join(f"REGISTRY_{name.upper()}={value}\n" for name, value in found.items()))
    rows = "".join(f"| {name} | <code>{html.escape(value).replace('|', '&#124;')}</code> |\n" for name, value in found.items())
    append("GITHUB_STEP_SUMMARY", f"**Model registry**: {DONE[command]}\n\n| | |\n|---|---|\n{rows}")


failed() if code else succeeded()
PYTHON
  exit "$1"
}

step_files=$(mktemp -d)
trap 'rm -rf "$step_files"' EXIT
case ${STEP_COMMAND:=} in
  register)
    need model "${STEP_MODEL:-}"
    need path "${STEP_PATH:-}"
    set -- register --json --wait
    if [ -n "${STEP_DESCRIPTION:-}" ]; then set -- "$@" "--description=$STEP_DESCRIPTION"; fi
    for step_option in metrics-file params-file alias tag param metric data; do
      case $step_option in
        metrics-file) step_lines=${STEP_METRICS_FILE:-} ;;
        params-file) step_lines=${STEP_PARAMS_FILE:-} ;;
        alias) step_lines=${STEP_ALIAS:-} ;;
        tag) step_lines=${STEP_TAGS:-} ;;
        param) step_lines=${STEP_PARAMS:-} ;;
        metric) step_lines=${STEP_METRICS:-} ;;
        data) step_lines=${STEP_DATA:-} ;;
      esac
      # The option once for each line.
      while IFS= read -r step_line; do
        if [ -n "$step_line" ]; then set -- "$@" "--$step_option=$step_line"; fi
      done <<LINES
$step_lines
LINES
    done
    set -- "$@" -- "$STEP_MODEL" "$STEP_PATH"
    ;;
  promote | gate)
    need version "${STEP_VERSION:-}"
    need to "${STEP_TO:-}"
    set -- promote --json "--to=$STEP_TO" "--reason=${STEP_REASON:-$STEP_COMMAND in a pipeline}"
    if [ -n "${STEP_EXPECTED_CURRENT:-}" ]; then set -- "$@" "--expected-current=$STEP_EXPECTED_CURRENT"; fi
    if [ "$STEP_COMMAND" = gate ]; then set -- "$@" --dry-run; fi
    case $STEP_VERSION in
      *[!0-9]*) step_version=$STEP_VERSION ;;
      *) need model "${STEP_MODEL:-}" && step_version=$STEP_MODEL:$STEP_VERSION ;;
    esac
    # A pipeline that is run again gets its old version, which another one may have replaced since.
    if [ "$STEP_COMMAND" = promote ] && [ "$STEP_TO" = staging ]; then
      registry show --json -- "$step_version" >"$step_files/out" 2>"$step_files/err" || report "$?"
      if python3 -c 'import json, sys
shown = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(shown.get("version", shown)["stage"] != "archived")' "$step_files/out"; then
        printf '{"error": {"detail": "%s"}}\n' "the version is archived, and a pipeline does not bring it back: registry promote does" >"$step_files/err"
        report 6
      fi
    fi
    set -- "$@" -- "$step_version"
    ;;
  *)
    printf '{"error": {"detail": "the input command must be register, promote or gate"}}\n' >"$step_files/err"
    report 2
    ;;
esac

step_code=0
registry "$@" >"$step_files/out" 2>"$step_files/err" || step_code=$?
report "$step_code"
