"""Tables of the review database, identical in SQLite and PostgreSQL.

`verdict` is permanent: an append-only hash chain. Records of how a person works (`session`, `skip`,
`dose`, `opt_out`, `action`, `lead_reveals`) are private to that person: no page for leads reads
them.
Times are Unix seconds (UTC), except those that are hashed, which are ISO 8601 text.
"""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 3

metadata = sa.MetaData()
_Seconds = sa.Double

# One row each: data set, policy, schema version.
meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

account = sa.Table(
    "account",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_key", sa.Text, nullable=False, unique=True),  # case-folded name
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created", _Seconds, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    # Another person set the password.
    sa.Column("must_change", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("subject", sa.Text),  # identity at an OIDC provider, instead of a password
    sa.Column("identity_at", _Seconds),  # when the identity was issued that signed in last
)

# What a person has set for themselves, such as keys, as JSON.
preference = sa.Table(
    "preference",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# Active logins. Only the hash of the browser's token is stored.
login = sa.Table(
    "login",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("created", _Seconds, nullable=False),
    sa.Column("last_seen", _Seconds, nullable=False),
)

# Failed sign-ins, for existing and unknown names alike. Names are stored as 20-bit hashes only,
# because people sometimes type their password into the name field.
login_failure = sa.Table(
    "login_failure",
    metadata,
    sa.Column("name_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("failures", sa.Integer, nullable=False),  # consecutive
    sa.Column("last", _Seconds, nullable=False, index=True),
)

item = sa.Table(
    "item",
    metadata,
    sa.Column("pair_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("needed", sa.Integer, nullable=False),  # independent annotators
    sa.Column("decided", sa.Integer, nullable=False, default=0),
    sa.Column("gone", sa.Boolean, nullable=False, default=False),  # no longer in the data set
    sa.Column("gold", sa.Text),  # known answer as JSON
    sa.Column("settled", sa.Integer),  # log row of the lead's decision
    # Current verdicts that ask the lead.
    sa.Column("asked", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("aside", sa.Integer),  # log row by which a lead set the dispute aside
    sa.Column("opened", sa.Integer),  # log row by which a lead opened the pair as a dispute
)
sa.Index(
    "item_open",
    item.c.position,
    sqlite_where=item.c.decided < item.c.needed,
    postgresql_where=item.c.decided < item.c.needed,
)
sa.Index(
    "item_gold",
    item.c.position,
    sqlite_where=item.c.gold.is_not(None),
    postgresql_where=item.c.gold.is_not(None),
)

# The pair each annotator is working on, with the answers so far.
reservation = sa.Table(
    "reservation",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), nullable=False, index=True),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("opened", _Seconds, nullable=False),
    sa.Column("expires", _Seconds, nullable=False),
    sa.Column("draft", sa.Text, nullable=False),
    sa.Column("revealed", sa.Text, nullable=False),
    # Images that could not be shown, as JSON.
    sa.Column("broken", sa.Text, nullable=False, server_default="[]"),
    # The pair that is expected next, and the token it will have; shown covered, not yet reserved.
    sa.Column("next_pair_id", sa.Text),
    sa.Column("next_token", sa.Text),
)

# Partial answers on a pair that was put down, for when it comes again.
put_down = sa.Table(
    "put_down",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), primary_key=True),
    sa.Column("draft", sa.Text, nullable=False),
)

verdict = sa.Table(
    "verdict",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text, nullable=False, index=True),
    sa.Column("pair_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# Last link of the hash chain. Every writer locks this row, so there is one writer at a time.
head = sa.Table(
    "head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# Current verdict of each person on each pair, derived from the log. The primary key prevents
# deciding twice.
decision = sa.Table(
    "decision",
    metadata,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), primary_key=True, index=True),
    sa.Column("seq", sa.ForeignKey("verdict.seq"), nullable=False, unique=True),
)

# For finding a person's last verdict, which they may undo.
sa.Index("decision_last", decision.c.account_id, decision.c.seq)

session = sa.Table(
    "session",
    metadata,
    sa.Column("session_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("day", sa.Text, nullable=False),  # start day in UTC
    sa.Column("started", _Seconds, nullable=False),
    sa.Column("last_active", _Seconds, nullable=False),
    sa.Column("ended", _Seconds),
    sa.Column("pairs", sa.Integer, nullable=False, default=0),
    sa.Column("reveals", sa.Integer, nullable=False, default=0),
    sa.Column("severe_at", _Seconds),  # end of the last item, if it was severe
)

opt_out = sa.Table(
    "opt_out",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("category", sa.Text, primary_key=True),
)

skip = sa.Table(
    "skip",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("pair_id", sa.ForeignKey("item.pair_id"), primary_key=True),
    sa.Column("at", _Seconds, nullable=False),
)

# Exposure record: what a person saw, and for how long.
dose = sa.Table(
    "dose",
    metadata,
    sa.Column("dose_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("at", _Seconds, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("pair_id", sa.Text),
    sa.Column("category", sa.Text),
    sa.Column("severity", sa.Integer),
    sa.Column("seconds", _Seconds),
)

# What leads uncovered on their pages, by hour since 1970, for their own caps.
lead_reveals = sa.Table(
    "lead_reveals",
    metadata,
    sa.Column("account_id", sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reveals", sa.Integer, nullable=False),
)

# What a person did last in a session and may take back: a verdict, a skip or a stop.
action = sa.Table(
    "action",
    metadata,
    sa.Column("action_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.ForeignKey("account.account_id"), nullable=False, index=True),
    sa.Column("session_id", sa.Integer, nullable=False),
    sa.Column("at", _Seconds, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),  # of the reservation that it ended
    sa.Column("pair_id", sa.Text),
    sa.Column("seq", sa.Integer),  # log row of a verdict
    sa.Column("draft", sa.Text, nullable=False, server_default="{}"),
)
