//! A request's way: accept, match, forward, answer.
