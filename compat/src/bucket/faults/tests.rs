use std::time::Instant;

use super::*;

/// A server that answers each request with the bytes of its body, and tells what came.
fn echo() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let told = Arc::clone(&heard);
    spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (head, mut body) = read_head(&mut stream).unwrap();
            let length: usize = header(&head, "content-length").unwrap().parse().unwrap();
            let missing = (length - body.len()) as u64;
            (&mut stream).take(missing).read_to_end(&mut body).unwrap();
            told.lock().unwrap().push(head);
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    (address, heard)
}

const BODY: &str = "0123456789";

/// The whole answer, or what came of it before the connection was reset.
fn ask(to: SocketAddr, method: &str) -> (String, bool) {
    let mut stream = TcpStream::connect(to).unwrap();
    let sent = write!(stream, "{method} /key HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let mut answer = Vec::new();
    let is_whole = sent.is_ok() && stream.read_to_end(&mut answer).is_ok();
    (String::from_utf8(answer).unwrap(), is_whole)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn each_fault_is_what_its_name_says() {
    let (server, heard) = echo();
    let faults = Faults::start(server).unwrap();
    let refused = Fault::Refused(503, "SlowDown");
    for (fault, expected, is_whole, is_done) in [
        (None, BODY, true, true),
        (Some(refused), "<Code>SlowDown</Code>", true, false),
        (Some(Fault::Away), "", false, false),
        (Some(Fault::CutRequest), "", false, false),
        (Some(Fault::LostAnswer), "", false, true),
        (Some(Fault::Truncated), "01234", true, true),
        (Some(Fault::Corrupted), "01234`6789", true, true),
        (Some(Fault::Late(Duration::from_millis(50))), BODY, true, true),
    ] {
        faults.strike(fault.map(|fault| Strike { fault, methods: ALL, every: 1 }));
        let (before, start) = (heard.lock().unwrap().len(), Instant::now());
        let (answer, whole) = ask(faults.address(), "PUT");
        assert_eq!(whole, is_whole, "{fault:?}");
        match fault == Some(refused) {
            true => assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(expected), "{answer}"),
            false => assert_eq!(body(&answer), expected, "{fault:?}"),
        }
        assert_eq!(heard.lock().unwrap().len() - before, usize::from(is_done), "{fault:?}");
        assert_eq!(faults.struck(), u64::from(fault.is_some()), "{fault:?}");
        if let Some(Fault::Late(time)) = fault {
            assert!(start.elapsed() >= time);
        }
    }
    faults.strike(Some(Strike { fault: Fault::CutAnswer, methods: ALL, every: 1 }));
    let (answer, is_whole) = ask(faults.address(), "GET");
    assert!(!is_whole && body(&answer).len() < BODY.len(), "{answer}");
}

#[test]
fn a_fault_concerns_its_methods_and_each_nth_of_them() {
    let (server, _) = echo();
    let faults = Faults::start(server).unwrap();
    faults.strike(Some(Strike { fault: Fault::Refused(500, "InternalError"), methods: WRITES, every: 2 }));
    let is_refused = |method| ask(faults.address(), method).0.starts_with("HTTP/1.1 500 ");
    assert_eq!(["GET", "PUT", "GET", "POST", "DELETE"].map(is_refused), [false, true, false, false, true]);
    assert_eq!(faults.struck(), 2);
}
