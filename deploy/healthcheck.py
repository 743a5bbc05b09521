"""Exit 0 when the service of this container answers `GET /livez` with 200; the image's HEALTHCHECK runs it.

It connects directly, without the proxies that the container's environment may name for other traffic.
"""

import http.client
import os
import sys

port = int(os.environ.get("REGISTRY_BIND", "127.0.0.1:5000").rpartition(":")[2])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
try:
    connection.request("GET", "/livez")
    status = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"no answer on port {port}: {error}")
finally:
    connection.close()
sys.exit(0 if status == 200 else f"/livez answered {status}")
