"""The lineage of a version in the formats of other systems: OpenLineage, W3C PROV-JSON and CycloneDX.

``facts`` has what a document is made from. All modules are pure: the same facts give the same document.
"""
