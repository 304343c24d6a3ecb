//! Which network addresses are of the public Internet: what others name leads to no other, so that no name makes us
//! knock at what stands behind our own firewall.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Blocks of IPv4 that are not the public Internet (IANA's registry of special-purpose addresses, and
/// multicast): first address and bits of prefix.
const V4_SPECIAL: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Blocks inside 2000::/3 that are not public, or carry another address inside that would have to be
/// judged by whoever unpacks it (Teredo, 6to4).
const V6_SPECIAL: [([u16; 2], u32); 4] =
    [([0x2001, 0x0000], 23), ([0x2001, 0x0db8], 32), ([0x2002, 0x0000], 16), ([0x3fff, 0x0000], 20)];

fn v4(ip: Ipv4Addr) -> bool {
    let bits = u32::from(ip);
    V4_SPECIAL.iter().all(|(first, prefix)| (bits ^ u32::from(Ipv4Addr::from(*first))) >> (32 - prefix) != 0)
}

fn v6(ip: Ipv6Addr) -> bool {
    if let Some(inside) = ip.to_ipv4_mapped() {
        return v4(inside);
    }
    let segments = ip.segments();
    // NAT64 reaches the IPv4 address in its last 32 bits.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., high, low] = segments;
        return v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    let top = (u32::from(segments[0]) << 16) | u32::from(segments[1]);
    let inside = |first: [u16; 2], prefix: u32| {
        let first = (u32::from(first[0]) << 16) | u32::from(first[1]);
        (top ^ first) >> (32 - prefix) == 0
    };
    inside([0x2000, 0], 3) && !V6_SPECIAL.iter().any(|(first, prefix)| inside(*first, *prefix))
}

/// Whether this is an address of the public Internet: not private, loopback, link-local, shared,
/// documentation, multicast or reserved, nor an IPv6 address that carries such an IPv4 address inside.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().expect("an address"))
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for good in
            ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
        {
            assert!(public(good), "{good}");
        }
        let bad = [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "100::1",
            "::7f00:1",
        ];
        for bad in bad {
            assert!(!public(bad), "{bad}");
        }
    }

    proptest! {
        /// What the standard library knows to be special is never public, in any of its forms.
        #[test]
        fn what_std_calls_special_is_refused(bits: u32) {
            let ip = Ipv4Addr::from(bits);
            let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_broadcast()
                || ip.is_documentation() || ip.is_multicast() || ip.is_unspecified();
            if special {
                prop_assert!(!is_public(ip.into()));
            }
            prop_assert_eq!(is_public(ip.into()), is_public(ip.to_ipv6_mapped().into()));
        }
    }
}
