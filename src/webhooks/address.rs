//! Which addresses a webhook may lead to: public ones, and those that an administrator allowed.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks that are allowed beside public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(pub Vec<IpNet>);

/// An address that no webhook may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {kind}; an administrator can allow it with --webhook-allow")]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is.
    pub kind: &'static str,
}

/// The service of Azure's hosts, which hands out certificates and secrets; it looks like a public address.
const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

impl Allowed {
    /// Whether an administrator named it.
    pub fn names(&self, address: IpAddr) -> bool {
        let address = plain(address);
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether a webhook may lead to it.
    pub fn permits(&self, address: IpAddr) -> Result<(), Forbidden> {
        if self.names(address) {
            return Ok(());
        }
        match kind(address) {
            Some(kind) => Err(Forbidden { address, kind }),
            None => Ok(()),
        }
    }
}

/// The address that is meant: an IPv4 address in the clothes of IPv6 is that IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// What kind of forbidden address it is; nothing for a public one.
fn kind(address: IpAddr) -> Option<&'static str> {
    match plain(address) {
        IpAddr::V4(v4) => kind_of_v4(v4),
        IpAddr::V6(v6) => kind_of_v6(v6),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b) {
        _ if address == AZURE_HOST => Some("the address of a metadata service"),
        (0, _) => Some("an address of this machine"),
        (127, _) => Some("a loopback address"),
        (169, 254) => Some("a link-local address, like those of metadata services"),
        _ if address.is_private() => Some("a private address"),
        (100, 64..=127) => Some("a shared address of providers"),
        (192, 0) if c == 0 || c == 2 => Some("a reserved address"),
        (192, 88) if c == 99 => Some("a reserved address"),
        (198, 18 | 19) | (198, 51) | (203, 0) if is_reserved(a, b, c) => Some("a reserved address"),
        (224..=239, _) => Some("a multicast address"),
        (240..=255, _) => Some("a reserved address"),
        _ => None,
    }
}

/// Networks for measuring and for examples (RFC 2544, RFC 5737).
fn is_reserved(a: u8, b: u8, c: u8) -> bool {
    matches!((a, b, c), (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113))
}

fn kind_of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, _, _, g, h] = address.segments();
    // Addresses that lead to an IPv4 address elsewhere are as good or bad as that one.
    let last = || IpAddr::V4(Ipv4Addr::from((u32::from(g) << 16) | u32::from(h)));
    match (a, b) {
        _ if address.is_unspecified() => Some("an address of this machine"),
        _ if address.is_loopback() => Some("a loopback address"),
        // NAT64 (RFC 6052), and what was once called compatible.
        (0x64, 0xff9b) if c == 0 => kind(last()),
        (0x64, 0xff9b) => Some("a private address"),
        (0, 0) if c == 0 && d == 0 => Some("a reserved address"),
        // 6to4 (RFC 3056)
        (0x2002, _) => {
            kind(IpAddr::V4(Ipv4Addr::from((u32::from(b) << 16) | u32::from(c)))).or(Some("a reserved address"))
        }
        (0x2001, 0..=0x1ff) => Some("a reserved address"),
        (0x2001, 0xdb8) | (0x3fff, _) => Some("a reserved address"),
        (0xfc00..=0xfdff, _) => Some("a private address"),
        (0xfe80..=0xfebf, _) => Some("a link-local address"),
        (0xfec0..=0xfeff, _) => Some("a private address"),
        (0xff00..=0xffff, _) => Some("a multicast address"),
        (0x2000..=0x3fff, _) => None,
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_permitted() {
        let none = Allowed::default();
        for bad in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.64.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:1::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "4000::1",
        ] {
            assert!(none.permits(bad.parse().unwrap()).is_err(), "{bad}");
        }
        for good in
            ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "203.0.114.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert_eq!(none.permits(good.parse().unwrap()), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_allowed_is_permitted_in_every_form_and_no_more() {
        let allowed = Allowed(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()]);
        for good in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::5"] {
            assert_eq!(allowed.permits(good.parse().unwrap()), Ok(()), "{good}");
        }
        let said = allowed.permits("10.2.0.1".parse().unwrap()).unwrap_err().to_string();
        assert_eq!(said, "10.2.0.1 is a private address; an administrator can allow it with --webhook-allow");
    }
}
