//! Composition: only this room knows everyone.
