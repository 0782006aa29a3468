//! The addresses of a `[[port]]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use onair_dataplane::PortAddresses;

use super::port::Port;
use crate::config::ConfigError;

/// Least MTU of a link with IPv6 (RFC 8200 §5).
const LEAST_IPV6_MTU: u16 = 1280;

/// The addresses of one family.
#[derive(Clone, Copy)]
struct Family {
    /// Keys of the address and of the router.
    keys: [&'static str; 2],
    name: &'static str,
    example: &'static str,
    most_prefix: u8,
    is_ipv6: bool,
}

const IPV4: Family = Family {
    keys: ["address", "gateway"],
    name: "an IPv4",
    example: "10.77.0.1/24",
    most_prefix: 32,
    is_ipv6: false,
};
const IPV6: Family = Family {
    keys: ["ipv6", "ipv6_gateway"],
    name: "an IPv6",
    example: "fd77::1/64",
    most_prefix: 128,
    is_ipv6: true,
};

impl Port {
    /// Its addresses and routers.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: none, not the address of a host with a prefix length, a router elsewhere, or an
    /// MTU below IPv6's.
    pub fn addresses(&self) -> Result<PortAddresses, ConfigError> {
        let ipv4 = Some(self.address.as_str()).filter(|it| !it.is_empty() || self.ipv6.is_none());
        let ipv4 = ipv4.map(|text| self.address_of(IPV4, text)).transpose()?;
        let ipv6 = self.ipv6.as_deref();
        let ipv6 = ipv6.map(|text| self.address_of(IPV6, text)).transpose()?;
        let gateway = self.gateway_of(IPV4, ipv4, self.gateway.as_deref())?;
        let ipv6_gateway = self.gateway_of(IPV6, ipv6, self.ipv6_gateway.as_deref())?;
        if let Some(mtu) = self
            .mtu
            .filter(|mtu| ipv6.is_some() && *mtu < LEAST_IPV6_MTU)
        {
            let problem = format!("give {LEAST_IPV6_MTU} or more: the port has an IPv6 address");
            return Err(self.wrong("mtu", &mtu.to_string(), problem));
        }
        Ok(PortAddresses {
            ipv4: ipv4.and_then(|(address, prefix)| Some((v4(address)?, prefix))),
            gateway: gateway.and_then(v4),
            ipv6: ipv6.and_then(|(address, prefix)| Some((v6(address)?, prefix))),
            ipv6_gateway: ipv6_gateway.and_then(v6),
        })
    }

    fn address_of(&self, family: Family, text: &str) -> Result<(IpAddr, u8), ConfigError> {
        let [key, _] = family.keys;
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address = address.parse::<IpAddr>().ok()?;
            let prefix = prefix.parse().ok().filter(|it| *it <= family.most_prefix)?;
            Some((address, prefix)).filter(|_| address.is_ipv6() == family.is_ipv6)
        });
        let (name, example) = (family.name, family.example);
        let (address, prefix) = parsed.ok_or_else(|| {
            let problem = format!("give {name} address with a prefix length, such as {example}");
            self.wrong(key, text, problem)
        })?;
        match not_of_a_host(address, prefix) {
            None => Ok((address, prefix)),
            Some(kind) => {
                let problem =
                    format!("this is {kind}: give the address of one host, such as {example}");
                Err(self.wrong(key, text, problem))
            }
        }
    }

    fn gateway_of(
        &self,
        family: Family,
        own: Option<(IpAddr, u8)>,
        text: Option<&str>,
    ) -> Result<Option<IpAddr>, ConfigError> {
        let [address_key, key] = family.keys;
        let Some(text) = text else {
            return Ok(None);
        };
        let Some((own, prefix)) = own else {
            let problem =
                format!("leave it out, or give the port an address, too (`{address_key}`)");
            return Err(self.wrong(key, text, problem));
        };
        let gateway = text.parse().ok();
        let gateway = gateway.filter(|it| {
            *it != own && is_near(own, *it, prefix) && not_of_a_host(*it, prefix).is_none()
        });
        gateway.map(Some).ok_or_else(|| {
            let problem = format!(
                "give the {} address of a router in the network of {own}/{prefix}",
                family.name.trim_start_matches("an ")
            );
            self.wrong(key, text, problem)
        })
    }

    /// Checks that `before`, in the same namespace, does not have these addresses of this port.
    pub(super) fn check_addresses_beside(
        &self,
        own: &PortAddresses,
        before: &Self,
    ) -> Result<(), ConfigError> {
        let other = before.addresses()?;
        let taken = || format!("port {} has this address", before.name);
        let address = |it: &PortAddresses| it.ipv4.map(|it| it.0);
        if address(own).is_some() && address(own) == address(&other) {
            return Err(self.wrong("address", &self.address, taken()));
        }
        let address = |it: &PortAddresses| it.ipv6.map(|it| it.0);
        if address(own).is_some() && address(own) == address(&other) {
            return Err(self.wrong("ipv6", self.ipv6.as_deref().unwrap_or_default(), taken()));
        }
        Ok(())
    }
}

const fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

const fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(address),
    }
}

/// Whether `other` is in the network of `own`. A router of IPv6 usually gives its link-local address.
fn is_near(own: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let same_bits = match (own, other) {
        (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(_), IpAddr::V6(other)) if other.is_unicast_link_local() => return true,
        (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    same_bits >= prefix.into()
}

/// The kind of `address` if no host can have it. IPv4 networks of 31 and 32 bits have neither a network nor a
/// broadcast address (RFC 3021).
fn not_of_a_host(address: IpAddr, prefix: u8) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("the unspecified address");
    } else if address.is_loopback() {
        return Some("a loopback address");
    } else if address.is_multicast() {
        return Some("a multicast address");
    }
    match address {
        IpAddr::V4(address) => {
            let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let host = address.to_bits() & host_bits;
            if address.is_broadcast() || (prefix < 31 && host == host_bits) {
                Some("a broadcast address")
            } else if prefix < 31 && host == 0 {
                Some("the address of a network")
            } else {
                None
            }
        }
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => Some("an IPv4 address"),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::port::check;
    use super::super::port::tests::port;
    use super::*;

    fn with_ipv6(ipv6: &str) -> Port {
        Port {
            ipv6: Some(ipv6.into()),
            ..port("a", "ring:x:a", "")
        }
    }

    #[test]
    fn addresses_that_no_host_can_have_are_refused() {
        for (address, problem) in [
            ("10.0.0.1", "prefix length"),
            ("10.0.0.1/33", "prefix length"),
            ("0.0.0.0/0", "the unspecified address"),
            ("127.0.0.1/8", "a loopback address"),
            ("239.1.1.1/24", "a multicast address"),
            ("255.255.255.255/0", "a broadcast address"),
            ("10.0.0.255/24", "a broadcast address"),
            ("10.0.0.0/24", "the address of a network"),
        ] {
            let error = port("a", "ring:x:a", address).addresses().unwrap_err();
            assert!(error.to_string().contains(problem), "{address}: {error}");
        }
        for address in ["10.0.0.1/24", "10.0.0.0/31", "10.0.0.1/31", "10.0.0.0/32"] {
            port("a", "ring:x:a", address).addresses().unwrap();
        }
    }

    #[test]
    fn gateway_is_another_host_of_the_ports_network() {
        let with = |gateway: &str| Port {
            gateway: Some(gateway.into()),
            ..port("a", "ring:x:a", "10.0.0.1/24")
        };
        let router = with("10.0.0.254").addresses().unwrap().gateway;
        assert_eq!(router, Some(Ipv4Addr::new(10, 0, 0, 254)));
        for wrong in [
            "10.0.1.254",
            "10.0.0.1",
            "10.0.0.255",
            "10.0.0.0",
            "router",
            "239.0.0.1",
        ] {
            let error = check(&[with(wrong)]).unwrap_err().to_string();
            assert!(error.contains("port.a.gateway"), "{wrong}: {error}");
        }
    }

    #[test]
    fn port_has_an_address_of_either_family_or_both() {
        let only = with_ipv6("fd77::1/64").addresses().unwrap();
        assert_eq!(
            (only.ipv4, only.ipv6),
            (None, Some(("fd77::1".parse().unwrap(), 64)))
        );
        let both = Port {
            address: "10.0.0.1/24".into(),
            ipv6_gateway: Some("fe80::1".into()),
            ..with_ipv6("fd77::1/64")
        };
        let both = both.addresses().unwrap();
        assert!(both.ipv4.is_some() && both.ipv6_gateway.is_some());
        for (ipv6, problem) in [
            ("fd77::1", "such as fd77::1/64"),
            ("fd77::1/129", "prefix length"),
            ("10.0.0.1/24", "give an IPv6 address"),
            ("::/0", "the unspecified address"),
            ("::1/128", "a loopback address"),
            ("ff3e::1/64", "a multicast address"),
            ("::ffff:10.0.0.1/96", "an IPv4 address"),
        ] {
            let error = with_ipv6(ipv6).addresses().unwrap_err().to_string();
            assert!(
                error.starts_with("port.a.ipv6 = ") && error.contains(problem),
                "{error}"
            );
        }
        let none = port("a", "ring:x:a", "").addresses().unwrap_err();
        assert!(none.to_string().contains("port.a.address"), "{none}");
    }

    #[test]
    fn ipv6_of_a_port_then_its_router_and_mtu_fit() {
        for (gateway, mtu, problem) in [
            (
                Some("fd78::1"),
                None,
                "port.a.ipv6_gateway = fd78::1: give the IPv6 address",
            ),
            (Some("10.0.0.1"), None, "port.a.ipv6_gateway"),
            (Some("fd77::1"), None, "port.a.ipv6_gateway"),
            (None, Some(1279), "port.a.mtu = 1279: give 1280 or more"),
        ] {
            let wrong = Port {
                ipv6_gateway: gateway.map(Into::into),
                mtu,
                ..with_ipv6("fd77::1/64")
            };
            let error = check(&[wrong]).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let alone = Port {
            ipv6_gateway: Some("fd77::2".into()),
            ..port("a", "ring:x:a", "10.0.0.1/24")
        };
        let error = check(&[alone]).unwrap_err().to_string();
        assert!(error.contains("give the port an address, too"), "{error}");
        let second = Port {
            name: "b".into(),
            device: "ring:x:b".into(),
            ..with_ipv6("fd77::1/64")
        };
        let error = check(&[with_ipv6("fd77::1/64"), second])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("port.b.ipv6") && error.contains("port a has this address"),
            "{error}"
        );
    }
}
