//! An instance's announcement of its API.

use super::Service;
use crate::endpoint::Endpoint;

/// Priorities from here on are for development: a plant does not use them (IS-04, `pri`).
const DEVELOPMENT: u32 = 100;
/// Priority of an instance without one: the last.
const LAST: u32 = DEVELOPMENT - 1;

/// The API at this address, if this program can use it: it has the version, and no authorization. `name` is the host's
/// in DNS, which its certificate has; `value` gives the values of the TXT record.
pub(super) fn endpoint<'a>(
    service: &Service,
    (host, name, port): (String, &str, u16),
    value: impl Fn(&str) -> Option<&'a str>,
) -> Option<Endpoint> {
    let mut versions = value("api_ver").unwrap_or_default().split(',');
    let is_open = matches!(value("api_auth"), None | Some("false"));
    let is_ours = versions.any(|it| it.trim() == service.version);
    let tls = match value("api_proto") {
        Some("https") => Some(name.trim_end_matches('.').to_owned()),
        Some("http") if !service.only_tls => None,
        _ => return None,
    };
    let priority = match value("pri") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_then_only_those_that_this_program_can_use() {
        let (any, only_tls) = (Service::registration(false), Service::registration(true));
        let found = |service, text: &str, port| {
            let place = ("10.0.0.1".to_owned(), "a.example.", port);
            endpoint(service, place, |key| {
                let mut pairs = text.split(' ').filter_map(|it| it.split_once('='));
                pairs.find(|it| it.0 == key).map(|it| it.1)
            })
        };
        let good = "api_proto=http api_ver=v1.2,v1.3 api_auth=false pri=20";
        for (text, priority) in [
            (good, Some(20)),
            ("api_proto=http api_ver=v1.3", Some(99)),
            ("api_proto=invalid api_ver=v1.3", None),
            ("api_ver=v1.3", None),
            ("api_proto=http api_ver=v1.2,v9.0", None),
            ("api_proto=http", None),
            ("api_proto=http api_ver=v1.3 api_auth=true", None),
            ("api_proto=http api_ver=v1.3 pri=100", None),
            ("api_proto=http api_ver=v1.3 pri=-1", None),
        ] {
            assert_eq!(
                found(&any, text, 80).map(|it| it.priority),
                priority,
                "{text}"
            );
        }
        assert_eq!(found(&any, good, 0), None);
        assert_eq!(found(&only_tls, good, 80), None);
        let secure = good.replace("http", "https");
        let found = found(&only_tls, &secure, 80).unwrap();
        assert_eq!(
            (&*found.host, &*found.to_string()),
            ("10.0.0.1", "a.example:80")
        );
    }
}
