//! What an instance of a service says of its API.

use super::Service;
use crate::endpoint::Endpoint;

/// Priorities from here on are for development: a plant does not use them (IS-04, `pri`).
const DEVELOPMENT: u32 = 100;
/// Priority of an instance without one: the last.
const LAST: u32 = DEVELOPMENT - 1;

/// The TXT record of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advert<'a> {
    /// `api_proto`.
    pub protocol: Option<&'a str>,
    /// `api_ver`: versions, with commas between.
    pub versions: Option<&'a str>,
    /// `api_auth`.
    pub authorization: Option<&'a str>,
    /// `pri`.
    pub priority: Option<&'a str>,
}

impl Advert<'_> {
    /// The API at this address, if this program can use it: it has the version, and no authorization. `name` is the host's
    /// in DNS, which its certificate has.
    #[must_use]
    pub fn endpoint(
        &self,
        service: &Service,
        (host, name): (String, &str),
        port: u16,
    ) -> Option<Endpoint> {
        let mut versions = self.versions.unwrap_or_default().split(',');
        let is_open = matches!(self.authorization, None | Some("false"));
        let is_ours = versions.any(|it| it.trim() == service.version);
        let tls = match self.protocol {
            Some("https") => Some(name.trim_end_matches('.').to_owned()),
            Some("http") if !service.only_tls => None,
            _ => return None,
        };
        let priority = match self.priority {
            None => LAST,
            Some(text) => text.parse().ok().filter(|it| *it < DEVELOPMENT)?,
        };
        (is_ours && is_open && port != 0).then_some(Endpoint {
            priority,
            host,
            port,
            tls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_then_only_those_that_this_program_can_use() {
        let good = Advert {
            protocol: Some("http"),
            versions: Some("v1.2, v1.3"),
            authorization: Some("false"),
            priority: Some("20"),
        };
        let (any, only_tls) = (Service::registration(false), Service::registration(true));
        let place = || ("10.0.0.1".to_owned(), "a.example.");
        let endpoint = |it: Advert<'_>| it.endpoint(&any, place(), 80);
        let priority = |it: Advert<'_>| endpoint(it).map(|it| it.priority);
        assert_eq!(priority(good), Some(20));
        let last = Advert {
            authorization: None,
            priority: None,
            ..good
        };
        assert_eq!(priority(last), Some(99));
        for bad in [
            Advert {
                protocol: Some("invalid"),
                ..good
            },
            Advert {
                protocol: None,
                ..good
            },
            Advert {
                versions: Some("v1.2,v9.0"),
                ..good
            },
            Advert {
                versions: None,
                ..good
            },
            Advert {
                authorization: Some("true"),
                ..good
            },
            Advert {
                priority: Some("100"),
                ..good
            },
            Advert {
                priority: Some("-1"),
                ..good
            },
        ] {
            assert_eq!(priority(bad), None, "{bad:?}");
        }
        assert_eq!(good.endpoint(&any, place(), 0), None);
        let secure = Advert {
            protocol: Some("https"),
            ..good
        };
        assert_eq!(good.endpoint(&only_tls, place(), 80), None);
        let found = secure.endpoint(&only_tls, place(), 80);
        assert_eq!(found, endpoint(secure));
        let found = found.unwrap();
        assert_eq!(
            (&*found.host, &*found.to_string()),
            ("10.0.0.1", "a.example:80")
        );
    }
}
