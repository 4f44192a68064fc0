//! Which addresses may be connected to.
//!
//! A DID document or a handle can name any host, also one that only this machine can reach: a database, the
//! metadata of a cloud, the printer next door. So only public addresses are connected to.
//!
//! ```text
//!  host ──Dns──► addresses ──is_public──► those that are left ──► the connection   (asked once: what is checked
//!  address in the URL itself ──is_public──────────────────────────►                 is what is connected to)
//! ```
//!
//! A name that has both sorts of addresses is reached at the public ones. Pooled connections were checked when
//! they were made.

use super::{dns::Dns, error::FetchError};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// Resolves hosts to the addresses that may be connected to.
#[derive(Clone)]
pub(super) struct Guard {
    dns: Arc<Dns>,
    allow_private: bool,
}

impl Guard {
    pub(super) const fn new(dns: Arc<Dns>, allow_private: bool) -> Self {
        Self { dns, allow_private }
    }

    /// Refuses a URL that names such an address itself: these aren't resolved, and so not seen again.
    pub(super) fn check(&self, url: &Url) -> Result<(), FetchError> {
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.permit(host, [address]).map(drop),
            Err(_) => Ok(()),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, FetchError> {
        self.permit(host, self.dns.addresses(host).await?)
    }

    /// Those that are left; at least one.
    fn permit(
        &self,
        host: &str,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Vec<IpAddr>, FetchError> {
        let mut refused = None;
        let mut permitted: Vec<_> = addresses.into_iter().collect();
        permitted.retain(|address| {
            let is_permitted = self.allow_private || is_public(*address);
            if !is_permitted {
                refused = Some(*address);
            }
            is_permitted
        });
        match refused {
            _ if !permitted.is_empty() => Ok(permitted),
            Some(address) => Err(FetchError::Refused { host: host.to_owned(), address }),
            None => Err(FetchError::NoAddress(host.to_owned())),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            // The port is that of the URL.
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet's, as far as its registries say.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // This network; private; loopback; link-local; private; private.
        [0 | 10 | 127, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..]
        // Shared by carriers; protocol assignments; documentation; relays to IPv6; benchmarks.
        | [100, 64..=127, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..]
        // Documentation; multicast, reserved and broadcast.
        | [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..]
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // IPv4 written as IPv6, and IPv4 behind a translator.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and other protocol assignments; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only these are handed out; loopback, local, link-local and multicast are all outside.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_public_addresses() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
