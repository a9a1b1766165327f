//! What `--json` prints is what the schemas in `schemas/` promise.
