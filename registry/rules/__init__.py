"""Pure rules that the service and its client share: values in, a sentence or None out. Imports nothing of ours."""
