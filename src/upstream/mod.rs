//! Connections to endpoints: choose, connect, pool.
