"""Lint and render a chart with Helm's own library; run by the Python of Helm's environment, not by ours.

``python render_chart.py <chart>``, values as JSON on standard input; prints the findings and the manifests as JSON.
"""

import json
import sys

import helm_python
import yaml

chart, values = sys.argv[1], json.load(sys.stdin)
report = helm_python.lint(chart, values, strict=True)
loaded = helm_python.Chart.load(chart)
rendered = loaded.render(values, name="registry", namespace="models")
manifests = [one for text in rendered.values() for one in yaml.safe_load_all(text) if one]
json.dump({"report": report, "manifests": manifests}, sys.stdout)
