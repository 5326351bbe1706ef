"""PostgreSQL, with TimescaleDB where the database has that: the schema `outpost`."""
