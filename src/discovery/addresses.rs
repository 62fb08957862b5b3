//! Which endpoint addresses may get requests.

use std::net::IpAddr;

/// What is allowed beside ordinary addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointPolicy {
    /// Loopback addresses: the pods of the embedded cluster live there, and on a real one nobody does.
    pub allow_loopback: bool,
}

impl EndpointPolicy {
    /// Why nothing may be sent to `ip`; `None` where it may.
    pub fn refusal(self, ip: IpAddr) -> Option<&'static str> {
        // `::ffff:169.254.169.254` reaches the same place as the address that it maps.
        let ip = ip.to_canonical();
        if ip.is_unspecified() {
            return Some("it is the unspecified address");
        }
        if ip.is_multicast() {
            return Some("it is a multicast address");
        }
        if ip.is_loopback() {
            return (!self.allow_loopback).then_some("it is a loopback address");
        }
        match ip {
            IpAddr::V4(ip) if ip.is_link_local() => {
                Some("it is a link-local address, where clouds keep their metadata service")
            }
            IpAddr::V4(ip) if ip.is_broadcast() => Some("it is the broadcast address"),
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some("it is a link-local address"),
            // The metadata service of some clouds.
            IpAddr::V6(ip) if ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => {
                Some("it is the address of a metadata service")
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EndpointPolicy;

    #[test]
    fn only_addresses_where_pods_can_live_are_allowed() {
        let (strict, local) = (EndpointPolicy::default(), EndpointPolicy { allow_loopback: true });
        for bad in
            ["169.254.169.254", "0.0.0.0", "224.0.0.1", "::", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254"]
        {
            assert!(local.refusal(bad.parse().unwrap()).is_some(), "{bad}");
        }
        for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(strict.refusal(loopback.parse().unwrap()).is_some(), "{loopback}");
            assert!(local.refusal(loopback.parse().unwrap()).is_none(), "{loopback}");
        }
        assert!(strict.refusal("10.244.0.5".parse().unwrap()).is_none());
    }
}
