"""Attacks with plain SQL by the database user of the service, as data: what is done, and how it fails.

An outcome is REFUSED (the database does not do it) or a part of what verification says. SQLite has one user, who owns
everything; on PostgreSQL it is the application's role.
"""

from __future__ import annotations

from dataclasses import dataclass

REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    sql: tuple[str, ...]
    sqlite: str
    postgresql: str


def both(name: str, outcome: str, *sql: str) -> Attack:
    """An attack that ends alike on both."""
    return Attack(name, sql, outcome, outcome)


def denied(name: str, sqlite: str, *sql: str) -> Attack:
    """An attack that PostgreSQL's role may not do, and that verification detects on SQLite."""
    return Attack(name, sql, sqlite, REFUSED)


PAST = "'2020-01-01 00:00:00.000000'"
FUTURE = "'2999-01-01 00:00:00.000000'"
FRAUD = "(SELECT id FROM models WHERE name = 'fraud')"
V1 = f"(SELECT id FROM versions WHERE model_id = {FRAUD} AND number = 1)"
V2 = f"(SELECT id FROM versions WHERE model_id = {FRAUD} AND number = 2)"
BOB = "(SELECT id FROM accounts WHERE name = 'bob')"
FIRST = f"(SELECT min(id) FROM tenures WHERE model_id = {FRAUD} AND ended_at IS NOT NULL)"
ROLLED_BACK = f"(SELECT min(id) FROM tenures WHERE model_id = {FRAUD} AND origin_id IS NOT NULL)"
REVOKED = "(SELECT min(id) FROM tokens WHERE revoked_at IS NOT NULL AND name <> 'bootstrap' AND purpose = 'api')"
BLOB = f"(SELECT sha256 FROM version_files WHERE version_id = {V1})"
CHURN = "(SELECT id FROM models WHERE name = 'churn')"
LAST = f"(SELECT max(seq) FROM audit_entries WHERE model_id = {CHURN})"
NODE = "(SELECT min(id) FROM lineage_nodes WHERE kind = 'code')"
UID = "00000000-0000-4000-8000-000000000001"
DIGEST = "'sha256:" + "0" * 64 + "'"
COLUMNS = (
    "model_id, version_id, stage, exclusive, started_at, started_kind, started_entry, ended_at, ended_kind, ended_entry"
)

ATTACKS = [
    both("the sealed log is shorter", "the size of audit_tree", "UPDATE audit_tree SET size = size - 1"),
    both("the sealed log is another registry's", "is not one of the registry", "UPDATE audit_tree SET origin = 'x'"),
    both("a leaf is another", REFUSED, "UPDATE audit_leaves SET entry_id = -1 WHERE position = 1"),
    both("a position is taken out", REFUSED, "DELETE FROM audit_leaves WHERE position = 1"),
    both("a checkpoint is another", REFUSED, "UPDATE audit_checkpoints SET note = 'x'"),
    both("a checkpoint is made up", "a checkpoint of size 9999 was signed",
         "INSERT INTO audit_checkpoints SELECT origin, 9999, root, note, signed_at, published_at"
         " FROM audit_checkpoints"),
    denied("an entry is to be sealed twice", "are sealed and wait for it once more",
           "INSERT INTO audit_pending SELECT min(entry_id) FROM audit_leaves"),
    both("a past is declared uncertain", "uncertain span",
         "INSERT INTO uncertain_times (aggregate, model_id, since, until)"
         f" SELECT 'model:fraud', id, {PAST}, {PAST} FROM models WHERE name = 'fraud'"),
    denied("an account is renamed", "the name of account", "UPDATE accounts SET name = 'mallory' WHERE name = 'bob'"),
    denied(
        "two accounts swap their names", "the name of account", "UPDATE accounts SET name = 'x' WHERE name = 'bob'",
        "UPDATE accounts SET name = 'bob' WHERE name = 'carol'", "UPDATE accounts SET name = 'carol' WHERE name = 'x'",
    ),
    denied("an account becomes the registry's own", "the kind of account",
           "UPDATE accounts SET kind = 'system' WHERE name = 'bob'"),
    denied("a tenure begins earlier", "the tenure", f"UPDATE tenures SET started_at = {PAST} WHERE id = {FIRST}"),
    both("a tenure ends earlier", "the tenure", f"UPDATE tenures SET ended_at = {PAST} WHERE id = {FIRST}"),
    both("a tenure ends for another reason", "the tenure",
         f"UPDATE tenures SET ended_kind = 'rollback' WHERE id = {FIRST}"),
    denied("a tenure goes to another version", "the tenure",
           f"UPDATE tenures SET version_id = {V2} WHERE id = {FIRST}"),
    denied("a tenure is removed", "the tenure", f"DELETE FROM tenures WHERE id = {FIRST}"),
    both("a tenure is made up", "is in no entry",
         f"INSERT INTO tenures ({COLUMNS}) SELECT {COLUMNS} FROM tenures WHERE id = {FIRST}"),
    denied("a rollback returned to another tenure", "rollback brought back",
           f"UPDATE tenures SET origin_id = id WHERE id = {ROLLED_BACK}"),
    denied("an alias points elsewhere", "the alias",
           f"UPDATE alias_tenures SET version_id = {V2} WHERE model_id = {FRAUD} AND ended_at IS NULL"),
    both("an alias has ended", "the alias",
         f"UPDATE alias_tenures SET ended_at = {PAST} WHERE model_id = {FRAUD} AND ended_at IS NULL"),
    both("a version claims a stage", "its stage", f"UPDATE versions SET stage = 'production' WHERE id = {V1}"),
    both("a version that was never verified is ready", "its state",
         "UPDATE versions SET state = 'ready' WHERE state = 'unverified'"),
    both("a rolled back version is good again", "mark of a rollback",
         "UPDATE versions SET rolled_back = (1 = 0) WHERE rolled_back"),
    both("a move past the gates was acknowledged", "move past the gates",
         "UPDATE versions SET broken_glass_entry = NULL WHERE broken_glass_entry IS NOT NULL"),
    both("a move past the gates is made up", "move past the gates",
         f"UPDATE versions SET broken_glass_entry = '{UID}' WHERE id = {V1}"),
    both("a manifest digest is another", "its manifest digest",
         f"UPDATE versions SET manifest_digest = {DIGEST} WHERE id = {V1}"),
    both("a file of a manifest is another", REFUSED,
         f"UPDATE version_files SET sha256 = '{'0' * 64}' WHERE version_id = {V1}"),
    Attack("a file of a manifest is replaced", (
        "INSERT OR REPLACE INTO version_files SELECT version_id, path, size + 1, sha256, media_type FROM version_files",
    ), REFUSED, REFUSED),
    Attack("a file of a manifest is another, its trigger dropped", (
        "DROP TRIGGER version_files_keep_update",
        f"UPDATE version_files SET media_type = 'text/html' WHERE version_id = {V1}",
    ), "its list of files", REFUSED),
    both("a blob's object is that of other bytes", "points at",
         f"UPDATE blobs SET key = 'blobs/00/{'0' * 64}/x' WHERE sha256 = {BLOB}"),
    both("a blob's object is another of the same name", "its bytes are in other objects",
         f"UPDATE blobs SET key = substr(key, 1, 74) || 'planted' WHERE sha256 = {BLOB}"),
    both("a blob has another size", "points at", f"UPDATE blobs SET size = size + 1 WHERE sha256 = {BLOB}"),
    both("a blob counts as damaged", "damage of blob", f"UPDATE blobs SET damage = 'missing' WHERE sha256 = {BLOB}"),
    both("a param is another", REFUSED, f"UPDATE version_params SET value = '4' WHERE version_id = {V1}"),
    both("a param is made up", "its params", f"INSERT INTO version_params VALUES ({V1}, 'made', 'up')"),
    Attack("a param is replaced", ("REPLACE INTO version_params SELECT version_id, key, '4' FROM version_params",),
           REFUSED, REFUSED),
    both("the metrics are gone", REFUSED, "DELETE FROM version_metrics"),
    both("a metric is made up", "metrics of", "INSERT INTO version_metrics (version_id, key, value, recorded_at, "
         f"recorded_by) VALUES ({V1}, 'auc', 0.99, {PAST}, {BOB})"),
    *(Attack(f"a metric was measured on {what}", (
        "DROP TRIGGER version_metrics_keep_update",
        f"UPDATE version_metrics SET {change} WHERE dataset_name = 'test.csv'",
    ), "metrics of", REFUSED) for what, change in (
        ("other data", f"dataset_digest = 'sha256:{'e' * 64}'"), ("data of another name", "dataset_name = 'train.csv'"),
        ("another slice of it", "slice = 'country=FR'"),
    )),
    both("a tag is another", "its tags", f"UPDATE version_tags SET value = 'x' WHERE version_id = {V1}"),
    both("a model's tag is gone", "its tags", f"DELETE FROM model_tags WHERE model_id = {FRAUD}"),
    both("a lineage edge is made up", "its lineage", "INSERT INTO lineage_edges (source_id, target_id, kind, role, "
         f"created_at) SELECT id, {NODE}, 'used', 'x', {PAST} FROM lineage_nodes WHERE version_id = {V2}"),
    both("an edge between data is made up", "no entry added 1 edges", "INSERT INTO lineage_edges (source_id, "
         f"target_id, kind, role, created_at) SELECT min(id), max(id), 'part_of', '', {PAST} FROM lineage_nodes "
         "WHERE kind = 'dataset'"),
    both("an edge is retracted without an entry", "have no entry", "INSERT INTO lineage_statements (edge_id, verb, "
         f"entry_uid, created_at) SELECT min(id), 'retracted', '{'0' * 31}7', {PAST} FROM lineage_edges"),
    Attack("a retraction is another statement", (
        "DROP TRIGGER lineage_statements_keep_update",
        "UPDATE lineage_statements SET verb = 'reinstated' WHERE verb = 'retracted'",
    ), "the lineage of entry", REFUSED),
    Attack("the verdicts of a promotion are others", (
        "DROP TRIGGER gate_evaluations_keep_update",
        "UPDATE gate_evaluations SET verdicts = '[]'",
    ), "the evaluation of the gates by entry", REFUSED),
    Attack("a policy has another document", (
        "DROP TRIGGER policies_keep_update",
        "UPDATE policies SET document = '{\"policy\":1}'",
    ), "the digest of the policy", REFUSED),
    both("a policy is removed without an entry", "should be none", "INSERT INTO policy_assignments (model_id, number, "
         f"started_at, started_entry) SELECT id, 9, {PAST}, '{'0' * 31}8' FROM models WHERE name = 'guarded'"),
    Attack("a lineage node is replaced", (
        "REPLACE INTO lineage_nodes SELECT id, kind, key, 'other', attributes, version_id, created_at FROM "
        "lineage_nodes WHERE kind = 'code'",
    ), REFUSED, REFUSED),
    both("a description is another", "its description", f"UPDATE versions SET description = 'x' WHERE id = {V1}"),
    both("a framework is another", "framework", f"UPDATE versions SET framework = 'x' WHERE id = {V1}"),
    denied("a version comes from elsewhere", "its source",
           "UPDATE versions SET source = 's3://evil/m' WHERE source IS NOT NULL"),
    denied("a version was registered by another", "its registration",
           f"UPDATE versions SET created_by = {BOB} WHERE id = {V1}"),
    denied("a token has more roles", "the roles of token",
           f"UPDATE tokens SET roles = '[\"admin\"]' WHERE account_id = {BOB}"),
    both("a revocation is undone", "the revocation of token",
         f"UPDATE tokens SET revoked_at = NULL WHERE id = {REVOKED}"),
    denied("a token has another secret", "the secret or name of token",
           f"UPDATE tokens SET hash = '{'0' * 64}' WHERE account_id = {BOB}"),
    denied("a token lives longer", "the expiry of token",
           f"UPDATE tokens SET expires_at = '2050-01-01 00:00:00.000000' WHERE account_id = {BOB}"),
    both("a token is made up", "the token 'made-up'", "INSERT INTO tokens SELECT 'made-up', hash, account_id, name, "
         "roles, created_at, created_by, expires_at, last_used_on, revoked_at, key_id, purpose, parent_id FROM tokens "
         "WHERE id = (SELECT min(id) FROM tokens WHERE name <> 'bootstrap')"),
    both("a token is deleted", REFUSED, f"DELETE FROM tokens WHERE id = {REVOKED}"),
    both("a session is deleted", "of the log is gone", "DELETE FROM tokens WHERE parent_id IS NOT NULL"),
    denied("a session has another parent", "the purpose of token",
           f"UPDATE tokens SET parent_id = {REVOKED} WHERE parent_id IS NOT NULL"),
    denied("a token is made a session", "the purpose of token",
           f"UPDATE tokens SET purpose = 'session' WHERE id = {REVOKED}"),
    both("a lifecycle is open", "its lifecycle", f"UPDATE models SET lifecycle = 'open' WHERE id = {FRAUD}"),
    both("a model has another name", "its name",
         "UPDATE models SET name = 'frau', name_key = 'frau' WHERE name = 'fraud'"),
    denied("a former name is gone", "its former names", "DELETE FROM former_names"),
    both("a deletion is undone", "its deletion", "UPDATE models SET deleted_at = NULL WHERE name = 'doomed'"),
    both("a purge is undone", "its purge", "UPDATE versions SET purged_at = NULL WHERE purged_at IS NOT NULL"),
    both("a number is given again", "its next number", f"UPDATE models SET next_number = 2 WHERE id = {FRAUD}"),
    denied("all reasons are gone", "is gone, and no entry records its erasure", "DELETE FROM audit_texts"),
    denied("a reason is another", "was changed", "UPDATE audit_texts SET text = 'an excuse' WHERE field = 'reason'"),
    both("an entry is another", REFUSED, "UPDATE audit_entries SET action = 'model.edited'"),
    Attack("an entry is replaced", (
        "REPLACE INTO audit_entries (id, uid, aggregate, seq, at, action, actor_id, model_id, leaf_hash, body) SELECT "
        "id, uid, aggregate, seq, at, 'model.edited', actor_id, model_id, leaf_hash, body FROM audit_entries",
    ), REFUSED, REFUSED),
    Attack("the last entries are cut off, head and all", (
        "DROP TRIGGER audit_entries_keep_delete",
        f"UPDATE models SET audit_seq = {LAST} - 1, audit_head = (SELECT leaf_hash FROM audit_entries WHERE model_id = "
        f"models.id AND seq = {LAST} - 1) WHERE name = 'churn'",
        f"DELETE FROM audit_entries WHERE model_id = {CHURN} AND seq = {LAST}",
    ), "a checkpoint names it", REFUSED),
    Attack("a model is gone with its chain", (
        "DROP TRIGGER audit_entries_keep_delete",
        "DELETE FROM alias_tenures WHERE model_id = (SELECT id FROM models WHERE name = 'empty')",
        "DELETE FROM audit_entries WHERE model_id = (SELECT id FROM models WHERE name = 'empty')",
        "DELETE FROM versions WHERE model_id = (SELECT id FROM models WHERE name = 'empty')",
        "DELETE FROM models WHERE name = 'empty'",
    ), "the chain and its owner are gone", REFUSED),
    both("a hold is released", "the hold", f"UPDATE holds SET released_at = {PAST} WHERE released_at IS NULL"),
    Attack("an approval is by another account", (
        "DROP TRIGGER request_acts_keep_update",
        f"UPDATE request_acts SET account_id = {BOB}",
    ), "on a request should be", REFUSED),
    Attack("a check has another result", (
        "DROP TRIGGER version_checks_keep_update",
        "UPDATE version_checks SET status = 'pending'",
    ), "its reports of checks", REFUSED),
    both("a hold is made up", "was placed by no entry", "INSERT INTO holds (kind, version_id, target, placed_at, "
         f"placed_entry) SELECT 'version', {V1}, '', {PAST}, '{UID}'"),
    denied("a hold on data is on other data", "the hold", f"UPDATE holds SET target = {DIGEST} WHERE kind = 'data'"),
    both("a path names other bytes", "the artifact", "UPDATE artifacts SET size = size + 1"),
    both("a path is free though its file was never registered", "was not registered at",
         f"UPDATE artifacts SET registered_at = {FUTURE} WHERE registered_at IS NULL"),
    both("a path is that of a logged model", "the logged model of the artifact",
         "UPDATE artifacts SET logged_model = 'm-1'"),
    both("an account looks like no other", "the look of account",
         f"UPDATE accounts SET look = '{'0' * 64}' WHERE name = 'bob'"),
    both("a model looks like no other", "the look of its name", f"UPDATE models SET look = '{'0' * 64}'"),
    both("a blob has the mark of other bytes", "the seal of blob",
         f"UPDATE blobs SET etag = 'x' WHERE sha256 = {BLOB}"),
    both("a blob has the mark of other bytes and no seal", "have no seal of this service",
         f"UPDATE blobs SET etag = 'x', seal = NULL WHERE sha256 = {BLOB}"),
    denied("a tenure goes to a version of another model with that number", "names a version of another model",
           f"UPDATE tenures SET version_id = (SELECT id FROM versions WHERE model_id = {CHURN} AND number = 1)"
           f" WHERE id = {FIRST}"),
    denied("rows act without a seal", "act without a seal", f"UPDATE registry SET unsealed_until = {FUTURE}"),
    Attack("an old metric is the latest", (
        "DROP TRIGGER version_metrics_keep_update",
        "UPDATE version_metrics SET id = id + 100 WHERE id = (SELECT min(id) FROM version_metrics WHERE step = 3)",
    ), "order of metrics", REFUSED),
]  # fmt: skip

# What only a server with roles can refuse.
STRUCTURE = [
    "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_entries_keep_update ON audit_entries",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION registry_refuse_change()",
    "CREATE OR REPLACE FUNCTION registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN OLD; END $$",
    "SET session_replication_role = replica",
    "TRUNCATE audit_entries CASCADE",
    "TRUNCATE tenures",
    "DROP TABLE audit_texts",
    "CREATE TABLE mine (id int)",
    "CREATE VIEW mine AS SELECT 1",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE compatible_releases SET revision = 'x'",
    "UPDATE audit_chains SET aggregate = 'x'",
    "DELETE FROM audit_chains",
    "DELETE FROM models",
    "DELETE FROM versions",
    "UPDATE versions SET number = 99",
    "INSERT INTO audit_entries (id, uid, aggregate, seq, at, action, actor_id, leaf_hash, body) SELECT 1 - id, uid, "
    "aggregate, -seq, at, action, actor_id, leaf_hash, body FROM audit_entries",
    "MERGE INTO audit_texts USING audit_entries ON entry_uid = uid WHEN MATCHED THEN DELETE",
]
