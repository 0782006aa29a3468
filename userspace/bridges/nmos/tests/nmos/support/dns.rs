//! A name server on a loopback port.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, PTR, SRV, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;

/// Its records. They may not be kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone(Arc<Mutex<Vec<Record>>>);

impl Zone {
    /// Answers from now on; gives a resolver that asks it.
    pub(crate) async fn serve(&self) -> TokioResolver {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let zone = self.clone();
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            loop {
                let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
                let asked = Message::from_vec(&bytes[..length]).unwrap();
                let answer = zone.answer(&asked).to_vec().unwrap();
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        let mut connection = ConnectionConfig::new(ProtocolConfig::Udp);
        connection.port = port;
        let server = NameServerConfig::new(IpAddr::V4(Ipv4Addr::LOCALHOST), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .build()
            .unwrap()
    }

    /// A registry of that service type, and its TXT record.
    pub(crate) fn add(&self, kind: &str, name: &str, port: u16, texts: &[&str]) {
        let parse = |text: String| Name::from_ascii(text).unwrap();
        let service = parse(format!("{kind}.plant.test."));
        let instance = parse(format!("{name}.{kind}.plant.test."));
        let target = parse(format!("{name}.plant.test."));
        let texts = texts.iter().map(|it| (*it).to_owned()).collect();
        let record = |name: &Name, data| Record::from_rdata(name.clone(), 0, data);
        self.0.lock().unwrap().extend([
            record(&service, RData::PTR(PTR(instance.clone()))),
            record(&instance, RData::SRV(SRV::new(0, 0, port, target.clone()))),
            record(&instance, RData::TXT(TXT::new(texts))),
            record(&target, RData::A(A(Ipv4Addr::LOCALHOST))),
        ]);
    }

    fn answer(&self, asked: &Message) -> Message {
        let mut answer = Message::response(asked.id, OpCode::Query);
        let zone = self.0.lock().unwrap();
        for query in &asked.queries {
            answer.add_query(query.clone());
            let of_query = zone
                .iter()
                .filter(|it| it.name == *query.name() && it.record_type() == query.query_type());
            answer.add_answers(of_query.cloned());
        }
        if answer.answers.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer
    }
}
