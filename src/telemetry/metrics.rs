//! Every metric of Doorstep, by name. Nowhere else is a metric named.
#![allow(clippy::disallowed_macros, reason = "this is the one place")]
