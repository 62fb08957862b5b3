//! What the cluster says, translated to what the route table needs. The only writer of tables.
