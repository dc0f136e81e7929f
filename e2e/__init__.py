"""The whole system on a real cluster: the local stand, the demo, end-to-end tests."""
