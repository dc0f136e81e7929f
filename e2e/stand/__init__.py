"""A real Kubernetes cluster on a bare Debian machine, without Docker; see README.md."""
