//! The whole program, tried with the tools that its users have: curl, kubectl, wrk, and its own commands.

mod bad_input;
mod crashes;
mod embedded_kubectl;
mod explained;
mod harness;
mod rollouts;
mod way;
