"""Codes about repositories elsewhere (``--repo``) and about signatures."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

REMOTES: Final = Chapter(
    "Repositories elsewhere",
    "With --repo, git itself talks to the server, and asks nobody anything: see docs/remotes.md.",
    (
        Explanation(
            "REMOTE_URL",
            1,
            "The URL is none that wfsync fetches from. ext:: and its like would run programs, git:// proves nothing.",
            "Write https://…, ssh://…, user@host:path, or a path.",
        ),
        Explanation(
            "REMOTE_UNREACHABLE",
            1,
            "The server cannot be reached, or it fails.",
            "Check the host's name, the network, and the proxy that git is told of (http.proxy).",
        ),
        Explanation(
            "REMOTE_TIMEOUT",
            1,
            "git did not end in time: one minute for a question, ten for a fetch.",
            "Check the network and the server; WFSYNC_GIT_TIMEOUT=SECONDS allows more time.",
        ),
        Explanation(
            "REMOTE_AUTHENTICATION",
            1,
            "The server refuses the credentials, or wants some and git has none. Nobody is ever asked for them.",
            "Give git a credential helper, or ssh a key that the agent holds; `git ls-remote` tries it.",
        ),
        Explanation(
            "REMOTE_UNTRUSTED",
            1,
            "The server's host key or certificate is not one that this machine trusts.",
            "Put the right one into ~/.ssh/known_hosts, or its authority into http.sslCAInfo.",
        ),
        Explanation(
            "REMOTE_NOT_FOUND",
            1,
            "There is no such repository, or these credentials may not see it.",
            "Check the URL.",
        ),
        Explanation(
            "REMOTE_EMPTY",
            1,
            "The repository has no commit yet.",
            "Push one.",
        ),
        Explanation(
            "REMOTE",
            1,
            "git cannot fetch the repository, for a reason that is none of the usual ones.",
            "The message repeats git's own words; `git ls-remote` with the same URL may say more.",
        ),
        Explanation(
            "REMOTE_CACHE",
            1,
            "The clone cannot be written into the cache: no room, or no permission.",
            "Make room, or name another folder by WFSYNC_CACHE_DIR.",
        ),
        Explanation(
            "REMOTE_CACHE_UNUSABLE",
            0,
            "A warning: the cache folder cannot be written or is not safe, so the clone goes into a temporary folder.",
            "Name a folder that belongs to this user by WFSYNC_CACHE_DIR; else every command clones again.",
        ),
        Explanation(
            "REMOTE_LOCKED",
            1,
            "Another wfsync is fetching the same repository, and takes longer than this one waits.",
            "Try again when it has ended.",
        ),
        Explanation(
            "DATABASE_REQUIRED",
            1,
            "With --repo no database is named. The embedded one lives in a repository's own folder, and there is none.",
            "Name one with --database, WFSYNC_DATABASE_URL or -e NAME.",
        ),
        Explanation(
            "UNVERIFIED_COMMIT",
            4,
            "The commit has no good signature of somebody who may sign, and --verify wants one.",
            "Find out who made it. Add a key to the allowed signers only if its owner may change this instance.",
        ),
        Explanation(
            "COMMIT_VERIFIED",
            0,
            "A note: whose good signature the commit has.",
            "Nothing is to be done.",
        ),
        Explanation(
            "ALLOWED_SIGNERS",
            1,
            "The file of allowed signers cannot be used, or nothing says what kind of signature is wanted. The file"
            " cannot be read, lists nobody, or holds something that is no fingerprint; or it is named without a kind.",
            "For ssh write lines of OpenSSH's ALLOWED SIGNERS, for gpg one full fingerprint a line. Add --verify.",
        ),
        Explanation(
            "VERIFY_DEMANDED",
            1,
            "wfsync.yaml demands signed commits (verify:), and no signature was looked at. Nobody says who may sign,"
            " --verify names another kind, or files of a work tree are read, which have no signature.",
            "Name the signers with --allowed-signers or WFSYNC_ALLOWED_SIGNERS, and a commit with --rev or --repo.",
        ),
        Explanation(
            "REWIND",
            4,
            "The commit is older than the one that was applied last from this source, or not on its line. Somebody"
            " rewrote the branch, or means an old revision.",
            "Look at the plan; --allow-rewind consents to it.",
        ),
        Explanation(
            "REWIND_UNKNOWN",
            0,
            "A warning: the clone is shallow, so nobody can tell whether the commit follows the one applied last.",
            "Fetch the whole history to have it checked.",
        ),
    ),
)
