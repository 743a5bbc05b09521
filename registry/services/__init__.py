"""Use cases: each public function opens the one transaction in which everything happens, or nothing does."""
