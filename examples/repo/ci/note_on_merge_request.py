"""Put a file into one note on the merge request, the same one every time: `python note_on_merge_request.py plan.md`.

The note is found again by the file's first line. Outside a merge request, or without GITLAB_API_TOKEN, nothing happens.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path


def main(path: str) -> None:
    """Write the text of ``path`` into the note that begins like it, or into a new one."""
    token, request = os.environ.get("GITLAB_API_TOKEN"), os.environ.get("CI_MERGE_REQUEST_IID")
    if not token or not request:
        return
    notes = f"{os.environ['CI_API_V4_URL']}/projects/{os.environ['CI_PROJECT_ID']}/merge_requests/{request}/notes"

    def call(method: str, url: str, body: str | None = None) -> list[dict]:
        data = None if body is None else json.dumps({"body": body}).encode()
        headers = {"PRIVATE-TOKEN": token, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
            return json.load(answer)

    text = Path(path).read_text(encoding="utf-8")
    marker = text.partition("\n")[0]
    page, mine = 1, None
    while mine is None and (found := call("GET", f"{notes}?per_page=100&page={page}")):
        mine = next((note["id"] for note in found if note["body"].startswith(marker)), None)
        page += 1
    if mine is None:
        call("POST", notes, text)
    else:
        call("PUT", f"{notes}/{mine}", text)


main(sys.argv[1])
