//! The bounds of requests and lists.

use std::time::Duration;

/// The bounds of every request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a request may take from its first byte to the last byte of the response, in real
    /// time.
    pub request: Duration,
    /// After which time a read, or a request for a token, without a response is reported, in real
    /// time.
    pub silence: Duration,
    /// After which time a write without a response is reported, on the program's clock, but never
    /// earlier than a read.
    pub slow_write: Duration,
    /// How long it may take to open a connection, in real time.
    pub connect: Duration,
    /// The number of attempts of a request.
    pub tries: u32,
    /// The maximum size of a response body in bytes, after decompression.
    pub body: usize,
    /// The maximum size of one list, over all its pages.
    pub list: ListBudget,
    /// How long a program that prints a token may run, in real time.
    pub command: Duration,
}

impl Default for Limits {
    /// Two minutes for a request, because turning on a flow may take that long; a read is reported
    /// after two seconds, a write after one minute; ten seconds to connect; six attempts; 64 MiB; the default list budget; one
    /// minute for a program.
    fn default() -> Self {
        Self {
            request: Duration::from_mins(2),
            silence: Duration::from_secs(2),
            slow_write: Duration::from_mins(1),
            connect: Duration::from_secs(10),
            tries: 6,
            body: 64 * 1024 * 1024,
            list: ListBudget::default(),
            command: Duration::from_mins(1),
        }
    }
}

/// The maximum size of one list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListBudget {
    /// The number of rows.
    pub rows: usize,
    /// The number of bytes, after decompression.
    pub bytes: usize,
    /// The number of JSON values. A value of one byte takes about a hundred bytes in memory, so a
    /// limit of bytes alone would not bound the memory.
    pub values: usize,
}

impl Default for ListBudget {
    /// 250,000 rows; 256 MiB; 5 million values, which take less than a gigabyte. A table of 5,000
    /// rows with a dozen columns has 3 MB.
    fn default() -> Self {
        Self {
            rows: 250_000,
            bytes: 256 * 1024 * 1024,
            values: 5_000_000,
        }
    }
}
