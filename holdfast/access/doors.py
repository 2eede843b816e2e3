"""What the gateway and the commands of users both know: where keys are, where one asks who one is, and how never is written.

The path of API keys and the spelling of "never" are zot's.
"""

from __future__ import annotations

from typing import Final

API_KEY_PATH: Final = "/zot/auth/apikey"
WHOAMI_PATH: Final = "/_holdfast/whoami"
NEVER_TEXT: Final = "0001-01-01T00:00:00Z"
