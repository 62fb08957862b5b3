//! Certificates by server name, and the development authority.
