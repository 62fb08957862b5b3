//! Doorstep beside nginx, HAProxy, Caddy and Traefik on the same machine, in the same run: what a request costs each of them, and how
//! many they forward. It prints figures and judges nothing.
//!
//!     cargo bench --bench peers
//!     cargo bench --bench peers -- nginx https     with these peers and cases alone, beside Doorstep
//!
//! nginx, HAProxy and Caddy are Debian packages (nginx-light, haproxy, caddy), h2load is of nghttp2-client; Traefik is looked for as
//! `traefik`. What is not there is named and left out. Each proxy has the first processor for itself and one thread; the load
//! and the backend have the others. All of them keep connections to the backend, add the X-Forwarded fields, and write no access log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    missing_docs
)]

mod backend;
mod load;
mod measure;
mod peer;

#[path = "../support/processors.rs"]
mod processors;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if arguments.first().map(String::as_str) == Some(backend::ROLE) {
        return backend::run(arguments[1].parse().unwrap());
    }
    measure::all(&arguments);
}
