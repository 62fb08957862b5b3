//! A node whose pods are local processes, as a plain client of the API.
