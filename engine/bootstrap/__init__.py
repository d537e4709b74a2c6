"""The composition root: the only place that knows everybody. It puts parts together and decides nothing."""

from engine.bootstrap.doctor import Finding, doctor
from engine.bootstrap.history import Imported, import_history
from engine.bootstrap.providers import callback_urls, sandbox_settings
from engine.bootstrap.serve import serve
from engine.bootstrap.workspace import Workspace

__all__ = ["Finding", "Imported", "Workspace", "callback_urls", "doctor", "import_history", "sandbox_settings", "serve"]
