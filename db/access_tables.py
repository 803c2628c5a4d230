"""The tables of how people and servers get in, and of those who are being forgotten; `db.tables` has the others."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, CIDR

from db.metadata import ID, MOMENT, NOW, metadata

# Erased users whose actions may still hold what they left there; `done_to` is the last action that was looked at.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("erased_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("done_to", ID),
    # Only while the name is still to be looked for in others' events; `events_done_to` is the last that was looked at.
    sa.Column("username", sa.Text),
    sa.Column("email", sa.Text),
    sa.Column("events_done_to", sa.BigInteger),
    # All names and the address; of the two above the first tells whether they are still looked for.
    sa.Column("names", ARRAY(sa.Text)),
)
sa.Index("erasures_erased_at_idx", erasures.c.erased_at)

join_codes = sa.Table(
    "join_codes",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("code_hash", sa.LargeBinary, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("used", sa.Integer, nullable=False, server_default="0"),
    sa.Column("expires_at", MOMENT),
    sa.Column("note", sa.Text),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.CheckConstraint("uses > 0", name="uses"),
    sa.CheckConstraint("used BETWEEN 0 AND uses", name="used"),
)
sa.Index("join_codes_code_hash_idx", join_codes.c.code_hash, unique=True)

# Links by which a user sets a new password; a used one is deleted.
password_resets = sa.Table(
    "password_resets",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
)
sa.Index("password_resets_user_id_idx", password_resets.c.user_id)
sa.Index("password_resets_expires_at_idx", password_resets.c.expires_at)

service_keys = sa.Table(
    "service_keys",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("key_hash", sa.LargeBinary, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("expires_at", MOMENT),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("last_used_at", MOMENT),
    sa.Column("revoked_at", MOMENT),
)
sa.Index("service_keys_key_hash_idx", service_keys.c.key_hash, unique=True)
# A name is free again once its key is revoked.
sa.Index("service_keys_name_idx", service_keys.c.name, unique=True, postgresql_where=sa.text("revoked_at IS NULL"))

# Who users are to other issuers of tokens.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    # When the newest token was issued whose claims have decided the role.
    sa.Column("claims_at", MOMENT),
    # When the person was erased: the subject is a hash since then, kept as long as an older token could come.
    sa.Column("erased_at", MOMENT),
)
sa.Index("identities_user_id_idx", identities.c.user_id)
sa.Index("identities_erased_at_idx", identities.c.erased_at, postgresql_where=sa.text("erased_at IS NOT NULL"))

# Networks without limits by address, besides those of the settings.
trusted_networks = sa.Table(
    "trusted_networks",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("cidr", CIDR, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("expires_at", MOMENT),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
)
sa.Index("trusted_networks_cidr_idx", trusted_networks.c.cidr, unique=True)
