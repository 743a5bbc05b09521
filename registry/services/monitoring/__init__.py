"""What monitors and operators read: health, metrics from the database, and the diagnosis of an installation."""
