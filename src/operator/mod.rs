//! An Environment becomes a Deployment and a Service, and its status tells how it is.
