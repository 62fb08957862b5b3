//! Doorstep: personal environments on demand, and the gateway before them.
//!
//! A host name becomes a pod in [`routing`]; what fills its table is [`discovery`]; who forwards by it is [`proxy`].
//!
//! | room | what it is for |
//! |---|---|
//! | [`app`] | composition: builds gateway, manager and `up` from all other rooms |
//! | [`cli`] | the commands, one file each |
//! | [`config`] | files from outside: read, checked, every error with its place |
//! | [`migrate`] | configurations of other gateways, translated to ours |
//! | [`model`] | plain values that rooms share: user ids, host names, class names, parameters |
//! | [`resources`] | the custom resources of `doorstep.dev`, their schema, labels and conditions |
//! | [`routing`] | the route table: compile, match, explain |
//! | [`discovery`] | what the cluster says, translated to what the table needs |
//! | [`proxy`] | a request's way: accept, match, forward, answer |
//! | [`upstream`] | connections to endpoints: choose, connect, pool |
//! | [`tls`] | certificates by server name, and the development authority |
//! | [`cluster`] | being a client of a cluster: credentials that rotate, leadership by a Lease, rights |
//! | [`gateways`] | whether every replica of the gateway leads where the manager's table leads |
//! | [`operator`] | an Environment becomes a Deployment and a Service, and its status tells how it is |
//! | [`identity`] | who calls the management API, and what they may do |
//! | [`dns`] | records in zones: what should be there, what is, and the changes between them |
//! | [`store`] | what is remembered beside the cluster, in SQLite or PostgreSQL: the audit, tokens, webhooks, use |
//! | [`webhooks`] | what happens to environments, told to whoever subscribed |
//! | [`api`] | the management API |
//! | [`azure`] | Azure Resource Manager: tokens, the client, budgets, long-running operations |
//! | [`embedded`] | the embedded cluster: a small Kubernetes API, controllers, and a node of local processes |
//! | [`telemetry`] | logs, metrics and the access log |
//! | [`sample_front`] | the small front end that the default classes run on one machine |

pub mod api;
pub mod app;
pub mod azure;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod discovery;
pub mod dns;
pub mod embedded;
pub mod gateways;
pub mod identity;
pub mod migrate;
pub mod model;
pub mod operator;
pub mod proxy;
pub mod resources;
pub mod routing;
pub mod sample_front;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod webhooks;
