//! Files from outside: read, checked, every error at once with its place.
