"""An object store of one's own that speaks S3's protocol: what a broker writes into it outlives the broker.

moto's server from the wheels, in a process of its own and in memory: it is the disk of one run, not storage.
"""

import http.client
import importlib.util
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.ports import free_ports
from deploy.local.processes import Child, ServiceMissing

_REGION: Final = "us-east-1"


class ObjectStore:
    """`start` makes the bucket; `stop` forgets everything."""

    def __init__(self, folder: Path, bucket: str) -> None:
        if importlib.util.find_spec("moto") is None:
            raise ServiceMissing("no object store here: install the wheel `moto[s3]` with `flask` and `flask-cors`")
        folder.mkdir(parents=True, exist_ok=True)
        self.bucket, self._port = bucket, free_ports(1)[0]
        self._child = Child(folder / "objects.log")

    @property
    def environ(self) -> Mapping[str, str]:
        """Return the variables by which a client of S3 finds it."""
        return {
            "AWS_ENDPOINT": f"http://127.0.0.1:{self._port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": _REGION,
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "anything",
        }

    def start(self) -> None:
        """Start it, unless it runs; return when the bucket is there."""
        if not self._child.is_alive:
            self._child.start([sys.executable, "-m", "moto.server", "-p", str(self._port)], self._has_bucket)

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        self._child.end(signal.SIGTERM)

    def _has_bucket(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("PUT", f"/{self.bucket}")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()
