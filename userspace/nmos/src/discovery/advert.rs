//! What an instance of a service says of a registry.

use crate::registration::Registry;

/// Priorities from here on are for development: a plant does not use them (IS-04, `pri`).
const DEVELOPMENT: u32 = 100;
/// Priority of an instance without one: the last.
const LAST: u32 = DEVELOPMENT - 1;

/// The TXT record of a registry's instance.
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
    /// The registry at this place, if it is one for this program: version 1.3 over HTTP without authorization.
    #[must_use]
    pub fn registry(&self, host: String, port: u16) -> Option<Registry> {
        let mut versions = self.versions.unwrap_or_default().split(',');
        let is_open = matches!(self.authorization, None | Some("false"));
        let is_ours = self.protocol == Some("http") && versions.any(|it| it.trim() == "v1.3");
        let priority = match self.priority {
            None => LAST,
            Some(text) => text.parse().ok().filter(|it| *it < DEVELOPMENT)?,
        };
        (is_ours && is_open && port != 0).then_some(Registry {
            priority,
            host,
            port,
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
        let priority = |it: Advert<'_>| it.registry("a".into(), 80).map(|it| it.priority);
        assert_eq!(priority(good), Some(20));
        let last = Advert {
            authorization: None,
            priority: None,
            ..good
        };
        assert_eq!(priority(last), Some(99));
        for bad in [
            Advert {
                protocol: Some("https"),
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
        assert_eq!(good.registry("a".into(), 0), None);
    }
}
