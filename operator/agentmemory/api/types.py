"""Field types of the API: what pydantic parses and what the CRD's schema says, in one place each.

A value keeps its text (`Quantity.text`, `Duration.text`) and is written back as it was read.
"""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from agentmemory.domain import names, units

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
LETTER_LABEL_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

DnsLabel = Annotated[str, Field(min_length=1, max_length=names.LABEL_LENGTH, pattern=LABEL_PATTERN)]
"""RFC 1123 label: what namespaces and everything that becomes part of a Kafka name must be."""

DnsSubdomain = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
"""RFC 1123 subdomain: the name of a Secret or a StorageClass."""


class _Number(int):
    """A whole number that remembers how it was written."""

    PATTERN: ClassVar[str]
    EXAMPLES: ClassVar[str]
    READ: ClassVar["staticmethod[[str], int]"]
    written: str | int

    def __new__(cls, written: str | int) -> Self:
        made = super().__new__(cls, cls.READ(str(written)))
        made.written = written
        return made

    @property
    def text(self) -> str:
        """As it was written: what goes into a pod's resources."""
        return str(self.written)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.written!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str | int]]:
        return type(self), (self.written,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _parsed(cls, (str, int), cls.EXAMPLES)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": cls.PATTERN,
            "minimum": 1,
        }


class Quantity(_Number):
    """A positive number of bytes (or bytes a second) as Kubernetes writes it: `10Gi`, `500M` or a plain integer."""

    PATTERN = units.QUANTITY_PATTERN
    EXAMPLES = "a quantity; write for example 500M, 10Gi or 1073741824"
    READ = staticmethod(units.parse_quantity)


class CpuQuantity(_Number):
    """An amount of CPU in thousandths of a core, written `500m`, `2` or `0.5`."""

    PATTERN = units.CPU_PATTERN
    EXAMPLES = "an amount of CPU; write for example 500m, 2 or '0.5'"
    READ = staticmethod(units.parse_cpu)


class Duration(timedelta):
    """A time span as GEP-2257 writes it: `720h`, `1h30m`, `250ms`."""

    text: str

    def __new__(cls, text: str) -> Self:
        made = super().__new__(cls, milliseconds=units.milliseconds(units.parse_duration(text)))
        made.text = text
        return made

    def __repr__(self) -> str:
        return f"Duration({self.text!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.text,)

    @property
    def milliseconds(self) -> int:
        """Whole milliseconds, as Kafka's `.ms` settings take them."""
        return units.milliseconds(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _parsed(cls, (str,), "a duration; write for example 720h, 1h30m or 5s")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": units.DURATION_PATTERN, "maxLength": 24}


def _parsed(cls: Any, accepted: tuple[type, ...], noun: str) -> CoreSchema:
    """Text (or a number) through `cls`, written back as it was; an instance stays itself."""

    def parse(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise ValueError(f"{value!r} is not {noun}")
        return cls(value)

    return core_schema.no_info_plain_validator_function(
        parse, serialization=core_schema.plain_serializer_function_ser_schema(_written)
    )


def _written(value: _Number | Duration) -> str | int:
    return value.text if isinstance(value, Duration) else value.written
