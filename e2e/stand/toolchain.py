"""The programs that the stand and the tests use, each found or built when asked for."""

from e2e.stand.gotools import go, helm, kubectl, kubernetes, versitygw
from e2e.stand.java import home as java_home
from e2e.stand.kafka_image import home as kafka_home

__all__ = ["go", "helm", "java_home", "kafka_home", "kubectl", "kubernetes", "versitygw"]
