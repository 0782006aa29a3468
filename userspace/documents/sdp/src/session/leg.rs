//! The second leg of a description (ST 2022-7).

/// Where the leg's packets go, and whose they are.
#[derive(Clone, Debug)]
pub struct DescribedLeg {
    /// `IPv4:port` or `[IPv6]:port`.
    pub destination: String,
    /// The only sources that send; none: any.
    pub sources: Vec<String>,
    /// Of its own.
    pub payload_type: Option<u32>,
}
