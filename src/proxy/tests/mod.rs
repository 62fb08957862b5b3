//! The data plane as its clients and backends see it.
