"""Field types of the API: what pydantic parses and what the CRD's schema says, in one place each.

A value keeps its text (`Quantity.text`, `Duration.text`) and is written back as it was read.
"""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from agentmemory.domain import names, units

Schema = dict[str, Any]

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
LETTER_LABEL_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

DnsLabel = Annotated[str, Field(min_length=1, max_length=names.LABEL_LENGTH, pattern=LABEL_PATTERN)]
"""RFC 1123 label: what namespaces and everything that becomes part of a Kafka name must be."""

DnsSubdomain = Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
"""RFC 1123 subdomain: the name of a Secret or a StorageClass."""


class Quantity(int):
    """A positive number of bytes (or bytes a second) as Kubernetes writes it: `10Gi`, `500M` or a plain integer."""

    text: str

    def __new__(cls, text: str | int) -> Self:
        made = super().__new__(cls, units.parse_quantity(str(text)))
        made.text = str(text)
        return made

    def __repr__(self) -> str:
        return f"Quantity({self.text!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.text,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _number_or_text(cls, "quantity")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _int_or_string(units.QUANTITY_PATTERN)


class CpuQuantity(int):
    """An amount of CPU in thousandths of a core, written `500m`, `2` or `0.5`."""

    text: str

    def __new__(cls, text: str | int | float) -> Self:
        made = super().__new__(cls, units.parse_cpu(str(text)))
        made.text = str(text)
        return made

    def __repr__(self) -> str:
        return f"CpuQuantity({self.text!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.text,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _number_or_text(cls, "amount of CPU")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return _int_or_string(units.CPU_PATTERN)


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
        return _parsed(cls, str, "duration")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": units.DURATION_PATTERN, "maxLength": 24}


def _int_or_string(pattern: str) -> Schema:
    return {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
        "pattern": pattern,
        "minimum": 1,
    }


def _number_or_text(cls: type[Quantity] | type[CpuQuantity], noun: str) -> CoreSchema:
    return _parsed(cls, (str, int), noun)


def _parsed(cls: Any, accepted: type | tuple[type, ...], noun: str) -> CoreSchema:
    """Text (or a number) through `cls`, written back as its text; an instance stays itself."""

    def parse(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise ValueError(f"{value!r} is not a {noun}; write it as text")
        return cls(value)

    return core_schema.no_info_plain_validator_function(
        parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.text)
    )
