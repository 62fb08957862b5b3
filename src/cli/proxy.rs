//! Which managers are reached by the proxy of the environment (`HTTPS_PROXY`, `ALL_PROXY`, but for `NO_PROXY`): those that are called by
//! TLS, of which a proxy sees nothing but the name. One that is called in the clear would show it the token.

use reqwest::Url;
use std::net::IpAddr;

/// The variables that name a proxy for the scheme `https`, and for `http`.
const OF_HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const OF_HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// Whether the manager at `server` may be reached by a proxy. No proxy has a way to this machine's own loopback.
pub(super) fn may_lead_to(server: &str) -> bool {
    server.starts_with("https://") && !is_here(server)
}

/// What is to be said of a proxy where no manager answers at `server`.
pub(super) fn said_of(server: &str) -> Option<String> {
    let set = |names: [&'static str; 4]| {
        names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
    };
    match (may_lead_to(server), is_here(server)) {
        (true, _) => set(OF_HTTPS).map(|name| format!("it was asked by the proxy in {name}, if NO_PROXY does not name it")),
        (false, true) => None,
        (false, false) => set(OF_HTTP).map(|name| {
            format!("the proxy in {name} was not asked, as it would see the token; it is for managers that are called by https://")
        }),
    }
}

fn is_here(server: &str) -> bool {
    let Ok(url) = Url::parse(server) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    address.map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::may_lead_to;

    #[test]
    fn a_proxy_leads_to_other_machines_and_by_tls_alone() {
        assert!(may_lead_to("https://doorstep.example.com"));
        for own in
            ["http://doorstep.example.com", "https://127.0.0.1:8081", "https://[::1]:1", "https://localhost:8081"]
        {
            assert!(!may_lead_to(own), "{own}");
        }
    }
}
