//! Deployments, ReplicaSets, EndpointSlices and garbage collection, as plain clients of the API.
