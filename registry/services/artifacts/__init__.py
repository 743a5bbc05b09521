"""Files of MLflow's artifact area: written and read by path, uploaded in parts, registered as versions."""
