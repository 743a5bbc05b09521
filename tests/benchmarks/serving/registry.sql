-- Fills our own schema; seed_registry.py runs it part by part and puts words in place of those in braces.

-- helpers
CREATE FUNCTION bench_uid(ordinal int, s bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS
$$ SELECT md5('entry ' || ordinal || ' ' || s)::uuid $$;

CREATE FUNCTION bench_promoted(number int) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$ SELECT 1 + number * {entries}::bigint $$;
CREATE FUNCTION bench_staged(number int) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$ SELECT number * {entries}::bigint $$;
CREATE FUNCTION bench_registered(number int) RETURNS bigint IMMUTABLE LANGUAGE sql AS
$$ SELECT 2 + (number - 1) * {entries}::bigint $$;
CREATE FUNCTION bench_at(first timestamptz, s bigint) RETURNS timestamptz STABLE LANGUAGE sql AS
$$ SELECT first + s * interval '1 second' $$;

CREATE FUNCTION bench_action(s bigint, number int, of int) RETURNS text IMMUTABLE LANGUAGE sql AS $$
SELECT CASE WHEN s = 1 THEN 'model.created' WHEN s = bench_registered(number) THEN 'version.registered'
WHEN s = bench_staged(number) OR s = bench_promoted(number) AND number < of THEN 'version.promoted'
ELSE 'version.edited' END $$;

CREATE FUNCTION bench_tags(ordinal int, of_version boolean) RETURNS text IMMUTABLE LANGUAGE sql AS $$
SELECT CASE WHEN of_version THEN '{"task": "classification", "team": "team-' || ordinal % {teams} || '", "tier": "'
    || ('{gold,silver,bronze}'::text[])[1 + ordinal % 3] || '"}' ELSE '{"team": "team-' || ordinal % {teams} || '"}' END $$;
CREATE FUNCTION bench_commitment(said text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
SELECT encode(sha256('{outer}'::bytea || sha256('{inner}'::bytea || convert_to(said, 'UTF8'))), 'hex') $$;

CREATE FUNCTION bench_body(
    uid uuid, at timestamptz, model uuid, ordinal int, name text, s bigint, number int, of int, action text, prev text,
    manifest text
) RETURNS bytea STABLE LANGUAGE plpgsql AS $$
DECLARE
    after text := ''; before text := ''; digests text := ''; said text := ''; subject text := '"model":"' || name || '"';
    held text := CASE WHEN number > 1 THEN (number - 1)::text ELSE 'null' END;
BEGIN
    IF s = 1 THEN
        after := '"first_number":1,"lifecycle":"enforced"';
        said := '"description":"{about}","tags":"' || bench_commitment(bench_tags(ordinal, false)) || '"';
    ELSIF action = 'version.registered' THEN
        after := '"aliases":{"{alias}":' || number || '},"files":2,"size":"{size}","state":"ready"';
        before := '"aliases":{"{alias}":' || held || '}';
        digests := '"lineage":"sha256:' || encode(sha256(uid::text::bytea), 'hex') || '","manifest":"' || manifest || '"';
        said := '"description":"{description}","tags":"' || bench_commitment(bench_tags(ordinal, true)) || '"';
    ELSIF action = 'version.promoted' THEN
        digests := '"manifest":"' || manifest || '"';
        said := '"reason":"{reason}"';
        IF s = bench_staged(number) THEN
            after := '"stage":"staging"';
            before := '"stage":"none"';
        ELSE
            after := '"production":' || number || ',"stage":"production"';
            before := '"production":' || held || ',"stage":"staging"';
            IF number > 1 THEN subject := subject || ',"related_version":' || held; END IF;
        END IF;
    END IF;
    IF s > 1 THEN subject := subject || ',"version":' || number; END IF;
    RETURN convert_to(
        '{"action":"' || action || '","actor":{"cred":"","id":"{actor}","kind":"user"},"after":{' || after
        || '},"agg":"model:' || model || '","before":{' || before || '},"commit":{' || said || '},"digests":{'
        || digests || '},"id":"' || uid || '","prev":"' || prev || '","req":"","seq":' || s || ',"subject":{' || subject
        || '},"ts":"' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '","v":1}', 'UTF8');
END $$;

-- catalogue
CREATE UNLOGGED TABLE bench_models AS
SELECT ordinal, md5('model ' || ordinal)::uuid AS id, 'model-' || lpad(ordinal::text, 6, '0') AS name, {each} AS of,
    ordinal + 1 AS start, {models} AS stride, timestamptz '2025-01-01Z' + ordinal * interval '100.003 ms' AS first
FROM generate_series(0, {models} - 1) ordinal;
INSERT INTO bench_models SELECT {models}, md5('hot')::uuid, '{hot_name}', {hot}, {versions} + 1, 1, '2025-01-01Z'
WHERE {hot} > 0;
ALTER TABLE bench_models ADD manifest text, ADD look text;
UPDATE bench_models SET manifest = digest, look = bench_manifests.look FROM bench_manifests WHERE k = ordinal;
CREATE UNIQUE INDEX ON bench_models (ordinal);
ANALYZE bench_models;
CREATE UNLOGGED TABLE bench_versions AS
SELECT start + (number - 1)::bigint * stride AS id, ordinal, number, m.id AS model_id, of, first, manifest
FROM bench_models m, generate_series(1, of) number;
ANALYZE bench_versions;

-- audit_entries
INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, model_id, version_id, related_version_id, leaf_hash, body)
WITH RECURSIVE chain AS (
    SELECT ordinal, id AS model, name, of, start, stride, first, manifest, 0::bigint AS s, ''::text AS leaf,
        NULL::uuid AS uid, NULL::timestamptz AS at, ''::text AS action, 0 AS number, ''::bytea AS body
    FROM bench_models WHERE ordinal >= {low} AND ordinal < {high}
  UNION ALL
    SELECT ordinal, model, name, of, start, stride, first, manifest, c.s + 1,
        encode(sha256('\x00'::bytea || b.body), 'hex'), e.uid, e.at, e.action, e.number, b.body
    FROM chain c,
    LATERAL (SELECT bench_uid(ordinal, c.s + 1) AS uid, bench_at(first, c.s + 1) AS at,
        bench_action(c.s + 1, n.number, of) AS action, n.number
        FROM (SELECT greatest((c.s - 1) / {entries} + 1, 1)::int AS number) n OFFSET 0) e,
    LATERAL (SELECT bench_body(e.uid, e.at, model, ordinal, name, c.s + 1, e.number, of, e.action, c.leaf, manifest) AS body
        OFFSET 0) b
    WHERE c.s < 1 + of::bigint * {entries}
)
SELECT uid, 'model:' || model, s, at, action, '{actor}', model, CASE WHEN s > 1 THEN start + (number - 1)::bigint * stride END,
    CASE WHEN number > 1 AND number < of AND s = bench_promoted(number) THEN start + (number - 2)::bigint * stride END,
    leaf, body
FROM chain WHERE s > 0

-- audit_texts
INSERT INTO audit_texts (entry_uid, field, salt, text)
SELECT bench_uid(ordinal, 1), 'description', '{salt}'::bytea, '{model_described}' FROM bench_models
UNION ALL SELECT bench_uid(ordinal, 1), 'tags', '{salt}'::bytea, bench_tags(ordinal, false) FROM bench_models
UNION ALL SELECT bench_uid(ordinal, bench_registered(number)), 'tags', '{salt}'::bytea, bench_tags(ordinal, true)
FROM bench_versions
UNION ALL SELECT bench_uid(ordinal, bench_registered(number)), 'description', '{salt}'::bytea, '{described}' FROM bench_versions
UNION ALL SELECT bench_uid(ordinal, bench_staged(number)), 'reason', '{salt}'::bytea, '{because}' FROM bench_versions
UNION ALL SELECT bench_uid(ordinal, bench_promoted(number)), 'reason', '{salt}'::bytea, '{because}' FROM bench_versions
WHERE number < of;

-- models
INSERT INTO models (id, name, name_key, description, lifecycle, next_number, latest_number, row_version, created_at,
    created_by, updated_at, revised_at, audit_seq, audit_head, clock_at, look)
SELECT m.id, name, name, '{model_described}', 'enforced', of + 1, of, 1 + of * 3, bench_at(first, 1),
    '{actor}', e.at, e.at, e.seq, e.leaf_hash, e.at, look
FROM bench_models m JOIN audit_entries e ON e.model_id = m.id AND e.seq = 1 + of::bigint * {entries}
ORDER BY ordinal;

-- model_tags
INSERT INTO model_tags (model_id, key, value) SELECT id, 'team', 'team-' || ordinal % {teams} FROM bench_models;

-- versions
INSERT INTO versions (id, model_id, number, state, stage, rolled_back, manifest_digest, run_key, lineage_digest,
    file_count, size, description, framework, row_version, created_at, created_by, updated_at, revised_at, run_id)
SELECT id, model_id, number, 'ready',
    CASE of - number WHEN 0 THEN 'staging' WHEN 1 THEN 'production' ELSE 'archived' END, false, manifest,
    'sha256:' || encode(sha256(('run ' || id)::bytea), 'hex'),
    'sha256:' || encode(sha256(bench_uid(ordinal, bench_registered(number))::text::bytea), 'hex'),
    2, {size}, '{described}', 'sklearn', 4, bench_at(first, bench_registered(number)), '{actor}', moved, moved,
    md5('run ' || id)
FROM (SELECT *, bench_at(first, CASE of - number WHEN 0 THEN bench_staged(number)
    WHEN 1 THEN bench_promoted(number) ELSE bench_promoted(number + 1) END) AS moved FROM bench_versions) v
ORDER BY id;

-- version_tags
INSERT INTO version_tags (version_id, key, value)
SELECT id, key, value FROM bench_versions, LATERAL (VALUES ('team', 'team-' || ordinal % {teams}),
    ('tier', ('{gold,silver,bronze}'::text[])[1 + ordinal % 3]), ('task', 'classification')) t (key, value);

-- version_params
INSERT INTO version_params (version_id, key, value)
SELECT id, key, value FROM bench_versions, LATERAL (VALUES ('depth', (id % 12)::text), ('rate', '0.1')) t (key, value);

-- version_metrics
INSERT INTO version_metrics (version_id, key, value, recorded_at, recorded_by)
SELECT id, key, value, bench_at(first, bench_registered(number)), '{actor}' FROM bench_versions,
    LATERAL (VALUES ('auc', 0.5 + (id * 7919 % 5000) / 10000.0), ('loss', (id * 7907 % 1000) / 1000.0)) t (key, value);

-- version_files
INSERT INTO version_files (version_id, path, size, sha256, media_type)
SELECT id, path, size, encode(sha256(content::bytea), 'hex'), 'application/octet-stream' FROM bench_versions,
    LATERAL (VALUES ('config.bin', {config_size}, 'config-' || ordinal % {configs}),
        ('weights.bin', {weights_size}, 'weights-' || ordinal)) f (path, size, content);

-- tenures
INSERT INTO tenures (model_id, version_id, stage, exclusive, started_at, started_kind, started_entry,
    ended_at, ended_kind, ended_entry)
SELECT model_id, id, stage, true, bench_at(first, since), started, bench_uid(ordinal, since),
    bench_at(first, until), CASE WHEN until IS NOT NULL THEN ended END, bench_uid(ordinal, until)
FROM bench_versions, LATERAL (
    SELECT 'staging' AS stage, bench_staged(number) AS since, 'promote' AS started,
        CASE WHEN number < of THEN bench_promoted(number) END AS until, 'promote' AS ended
    UNION ALL SELECT 'production', bench_promoted(number), 'promote',
        CASE WHEN number < of - 1 THEN bench_promoted(number + 1) END, 'supersede' WHERE number < of
    UNION ALL SELECT 'archived', bench_promoted(number + 1), 'supersede', NULL, NULL WHERE number < of - 1) t
ORDER BY since, ordinal, stage;  -- who is displaced goes first

-- alias_tenures
INSERT INTO alias_tenures (model_id, version_id, alias, started_at, started_entry, ended_at, ended_entry)
SELECT model_id, id, '{alias}', bench_at(first, since), bench_uid(ordinal, since), bench_at(first, until),
    bench_uid(ordinal, until)
FROM bench_versions, LATERAL (SELECT bench_registered(number) AS since,
    CASE WHEN number < of THEN bench_registered(number + 1) END AS until) t ORDER BY since, ordinal;

-- lineage_nodes
INSERT INTO lineage_nodes (id, kind, key, name, attributes, version_id, created_at)
SELECT 2 * v.id - 1, 'version', v.id::text, m.name || ':' || number, '{}', v.id, bench_at(v.first, bench_registered(number))
FROM bench_versions v JOIN bench_models m USING (ordinal)
UNION ALL SELECT 2 * id, 'run', 'sha256:' || encode(sha256(('["run",{"finished_at":null,"id":"' || md5('run ' || id)
    || '","metrics":{},"params":{},"started_at":null,"system":"bench","url":null}]')::bytea), 'hex'),
    'bench/' || md5('run ' || id),
    jsonb_build_object('system', 'bench', 'id', md5('run ' || id), 'url', NULL, 'params', '{}'::jsonb,
        'metrics', '{}'::jsonb, 'started_at', NULL, 'finished_at', NULL),
    NULL, bench_at(first, bench_registered(number)) FROM bench_versions;

-- lineage_edges
INSERT INTO lineage_edges (source_id, target_id, kind, role, created_at)
SELECT 2 * id - 1, 2 * id, 'produced_by', '', bench_at(first, bench_registered(number)) FROM bench_versions;

-- sequences
SELECT setval(pg_get_serial_sequence('versions', 'id'), {versions} + {hot});
SELECT setval(pg_get_serial_sequence('lineage_nodes', 'id'), 2 * ({versions} + {hot}));
-- The trigger that notes entries for sealing was off.
INSERT INTO audit_pending (entry_id) SELECT id FROM audit_entries ON CONFLICT DO NOTHING;

-- undo
DROP FUNCTION bench_body, bench_action, bench_at, bench_registered, bench_staged, bench_promoted, bench_uid, bench_tags, bench_commitment;
DROP TABLE bench_versions, bench_models, bench_manifests;
