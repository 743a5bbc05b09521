"""Formats of files, recognised by their content: a model's loader is not to execute what a policy took for data."""

from registry.domain.file_formats.reading import InMemory, Reader
from registry.domain.file_formats.recognition import VERSION, named, recognise
from registry.domain.file_formats.recognitions import Execution, Recognition

__all__ = ["VERSION", "Execution", "InMemory", "Reader", "Recognition", "named", "recognise"]
