//! Connections and their limits.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// A connection without TLS to the machine's token services.
async fn connect(client: &TestClient) -> TcpStream {
    let origin = client.machine();
    let address = origin.trim_start_matches("http://");
    TcpStream::connect(address).await.unwrap()
}

/// What the tenant sends until it ends the connection.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let reading = stream.read_to_end(&mut text);
    let ended = tokio::time::timeout(Duration::from_secs(10), reading).await;
    // An end and a reset are the same to a client.
    let _reset = ended.expect("the connection ends");
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_connection_carries_several_requests_and_ends_with_the_tenant() {
    let mut client = TestClient::new().await;
    let mut stream = connect(&client).await;
    let request = b"GET /nothing HTTP/1.1\r\nHost: machine\r\n\r\n";
    let mut buffer = vec![0; 65536];
    for _ in 0..2 {
        stream.write_all(request).await.unwrap();
        let count = stream.read(&mut buffer).await.unwrap();
        let response = String::from_utf8_lossy(&buffer[..count]);
        assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
        assert!(response.contains("\r\ncontent-length: "), "{response}");
    }
    client.stop().await;
    assert_eq!(read_to_end(stream).await, "");
}

#[tokio::test]
async fn a_lost_response_leaves_no_byte_on_the_connection() {
    let client = TestClient::with_faults(&["lose:GET /nothing"]).await;
    let mut stream = connect(&client).await;
    let request = b"GET /nothing HTTP/1.1\r\nHost: machine\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert_eq!(read_to_end(stream).await, "");
}

#[tokio::test]
async fn a_request_that_breaks_off_is_not_handled() {
    let client = TestClient::new().await;
    let mut stream = connect(&client).await;
    let request = b"POST /nothing HTTP/1.1\r\nHost: machine\r\nContent-Length: 9\r\n\r\nhalf";
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    // It is not too large: the tenant has nothing to respond to.
    assert_eq!(read_to_end(stream).await, "");
    let handled = |line: &Value| line["path"] == "/nothing";
    assert!(!client.lines().iter().any(handled));
}

#[tokio::test]
async fn a_body_has_a_maximum_size() {
    let client = TestClient::new().await;
    let url = format!("{}/nothing", client.machine());
    let maximum = 16 * 1024 * 1024;
    for (size, status) in [(maximum, 404), (maximum + 1, 413)] {
        let request = client.http.post(&url).body(vec![b'a'; size]);
        send_request(request).await.expect_status(status);
    }
}
