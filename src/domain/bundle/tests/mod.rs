//! Laws of the bundle language. Its cases stand in `tests/bundles`, its judge is a real PostgreSQL (`tests/all`).

mod laws;
