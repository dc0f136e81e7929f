"""The main job on real parts, told step by step: `python -m e2e.demo up`, `python -m e2e.demo down`."""
