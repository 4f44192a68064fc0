//! A name server that answers as it is told, and counts.

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType, rdata::TXT},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{net::UdpSocket, task::JoinHandle};

#[derive(Default)]
struct Inner {
    /// By name, in lower case and with the last dot.
    records: Mutex<HashMap<String, Vec<RData>>>,
    asked: Mutex<Vec<(String, RecordType)>>,
    broken: Mutex<Option<RecordType>>,
}

pub(super) struct Names {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Names {
    pub(super) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let inner = Arc::<Inner>::default();
        let task = tokio::spawn(serve(socket, inner.clone()));
        Self { address, inner, task }
    }

    /// Sets the addresses of a host.
    pub(super) fn host(&self, name: &str, addresses: &[&str]) {
        let data = addresses.iter().map(|address| RData::from(address.parse::<IpAddr>().unwrap()));
        self.inner.records.lock().insert(format!("{name}."), data.collect());
    }

    /// Sets the texts of a handle.
    pub(super) fn texts(&self, handle: &str, texts: &[&str]) {
        let data = texts.iter().map(|text| {
            // In pieces, as long ones are.
            let (first, second) = text.split_at(text.len() / 2);
            RData::TXT(TXT::new(vec![first.to_owned(), second.to_owned()]))
        });
        self.inner.records.lock().insert(format!("_atproto.{handle}."), data.collect());
    }

    /// Fails to answer questions of this type.
    pub(super) fn fail(&self, kind: RecordType) {
        *self.inner.broken.lock() = Some(kind);
    }

    /// How often a name was asked for.
    pub(super) fn asked(&self, name: &str, kind: RecordType) -> usize {
        let name = format!("{name}.");
        self.inner.asked.lock().iter().filter(|asked| asked.0 == name && asked.1 == kind).count()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: UdpSocket, inner: Arc<Inner>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let question = Message::from_vec(&buffer[..length]).unwrap();
        let query = question.queries[0].clone();
        let name = query.name().to_string().to_lowercase();
        inner.asked.lock().push((name.clone(), query.query_type()));
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        if *inner.broken.lock() == Some(query.query_type()) {
            answer.metadata.response_code = ResponseCode::ServFail;
        } else if let Some(records) = inner.records.lock().get(&name) {
            let wanted = records.iter().filter(|data| data.record_type() == query.query_type());
            // Texts last; addresses may be others the next time.
            let ttl = if query.query_type() == RecordType::TXT { 300 } else { 0 };
            answer
                .add_answers(wanted.map(|data| Record::from_rdata(query.name().clone(), ttl, data.clone())));
        } else {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }
}
