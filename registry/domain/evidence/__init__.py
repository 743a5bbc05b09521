"""Evidence about a model: facts that follow from its audit entries, and what each of them rests on.

``facts`` has the facts as they stand in an evidence archive. All modules are pure: no database, no clock.
"""
