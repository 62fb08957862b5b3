//! The small front end that the default classes run on one machine.
