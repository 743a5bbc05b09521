"""Use cases: each public function opens one transaction, in which everything happens or nothing does.

monitoring/    health, metrics from the database, diagnosis
imports/       versions from bytes that lie elsewhere       maintenance/  garbage collection, fsck, cleanup
artifacts/     files of MLflow's artifact area
uploads/       announce, send, complete, verify
stages/        transitions, rollback, holders (resolve), what both share (changes)
catalog/       models, versions, registration, aliases, tags, tenures
search/        both filter dialects       downloads/  signed URLs, archives       accounts/  accounts and tokens
integrity/     checks before production, damage, scrubbing, ownership of the store
lineage/       runs, code, environments, datasets, parents
usage/         hourly counts of downloads and refusals
sealed_log/    positions of entries in one tree, signed checkpoints, the pin
audit/         append, read, verify, erase
"""
