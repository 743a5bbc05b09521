-- Fills MLflow's schema; see registry.sql.

-- registered_models
INSERT INTO registered_models (name, creation_time, last_updated_time, description)
SELECT 'model-' || lpad(ordinal::text, 6, '0'), 1735689600000 + ordinal * 100,
    1735689600000 + ordinal * 100 + {each} * 10000, 'One of the benchmark''s'
FROM generate_series(0, {models} - 1) ordinal;

-- registered_model_tags
INSERT INTO registered_model_tags (name, key, value)
SELECT 'model-' || lpad(ordinal::text, 6, '0'), 'team', 'team-' || ordinal % {teams}
FROM generate_series(0, {models} - 1) ordinal;

-- registered_model_aliases
INSERT INTO registered_model_aliases (name, alias, version)
SELECT 'model-' || lpad(ordinal::text, 6, '0'), '{alias}', {each}
FROM generate_series(0, {models} - 1) ordinal;

-- model_versions
INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, current_stage, source,
    run_id, status, run_link, storage_location)
SELECT name, number, at, at + 9000, '{described}',
    CASE {each} - number WHEN 0 THEN 'Staging' WHEN 1 THEN 'Production' ELSE 'Archived' END,
    's3://models/' || name || '/artifacts', md5('run ' || name || number), 'READY', '',
    's3://models/' || name || '/artifacts'
FROM generate_series(0, {models} - 1) ordinal, generate_series(1, {each}) number,
    LATERAL (SELECT 'model-' || lpad(ordinal::text, 6, '0') AS name,
        1735689600000 + ordinal * 100 + number * 10000 AS at) m
ORDER BY number, ordinal;

-- model_version_tags
INSERT INTO model_version_tags (name, version, key, value)
SELECT 'model-' || lpad(ordinal::text, 6, '0'), number, key, value
FROM generate_series(0, {models} - 1) ordinal, generate_series(1, {each}) number,
    LATERAL (VALUES ('team', 'team-' || ordinal % {teams}),
        ('tier', ('{gold,silver,bronze}'::text[])[1 + ordinal % 3]), ('task', 'classification')) t (key, value);
