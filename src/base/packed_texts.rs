//! Many similar texts in little memory: rows of one table repeat their columns, so they are kept
//! compressed, in blocks.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::mem;
use std::ops::Range;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// How many bytes of texts become a compressed block. Fewer are kept as they are.
const BLOCK: usize = 256 * 1024;

/// The bytes of a text's length before it.
const LENGTH: usize = 4;

/// Texts in their order.
#[derive(Clone, Debug, Default)]
pub struct PackedTexts {
    blocks: Vec<Block>,
    /// The last texts, each after its length.
    open: Vec<u8>,
    /// How many those are.
    open_count: usize,
}

/// Some texts, each after its length.
#[derive(Clone, Debug)]
struct Block {
    count: usize,
    bytes: Bytes,
}

#[derive(Clone, Debug)]
enum Bytes {
    Plain(Vec<u8>),
    Compressed(Box<[u8]>),
}

impl Block {
    fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.bytes {
            Bytes::Plain(bytes) => Cow::Borrowed(bytes),
            Bytes::Compressed(block) => Cow::Owned(decompress(block)),
        }
    }
}

impl PackedTexts {
    /// Adds a text of at most 4 GiB.
    pub fn push(&mut self, text: &str) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.open.extend(length.to_le_bytes());
        self.open.extend(text.as_bytes());
        self.open_count += 1;
        if self.open.len() >= BLOCK {
            self.close_block(|bytes| Bytes::Compressed(compress(&bytes)));
        }
    }

    /// Adds the texts of another list.
    pub fn append(&mut self, other: Self) {
        if other.blocks.is_empty() {
            other.each(|text| self.push(text));
            return;
        }
        if !self.open.is_empty() {
            self.close_block(Bytes::Plain);
        }
        self.blocks.extend(other.blocks);
        self.open = other.open;
        self.open_count = other.open_count;
    }

    fn close_block(&mut self, pack: impl FnOnce(Vec<u8>) -> Bytes) {
        self.blocks.push(Block {
            count: mem::take(&mut self.open_count),
            bytes: pack(mem::take(&mut self.open)),
        });
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| block.count);
        blocks.sum::<usize>() + self.open_count
    }

    /// Is there no text?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Passes on every text, in order.
    pub fn each(&self, mut each: impl FnMut(&str)) {
        self.each_of(|_| true, |_, text| each(text));
    }

    /// Passes on the wanted texts, in order, each with its place from 0. A block without a wanted
    /// text is not decompressed.
    pub fn each_of(&self, is_wanted: impl Fn(usize) -> bool, mut each: impl FnMut(usize, &str)) {
        self.pass_on(&is_wanted, &mut each);
    }

    fn pass_on(&self, is_wanted: &dyn Fn(usize) -> bool, each: &mut dyn FnMut(usize, &str)) {
        let mut first = 0;
        for block in &self.blocks {
            let places = first..first + block.count;
            first = places.end;
            if places.clone().any(is_wanted) {
                each_in(places, &block.bytes(), is_wanted, each);
            }
        }
        let places = first..first + self.open_count;
        each_in(places, &self.open, is_wanted, each);
    }

    /// How many bytes it keeps.
    pub fn bytes_in_memory(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| match &block.bytes {
            Bytes::Plain(bytes) => bytes.capacity(),
            Bytes::Compressed(block) => block.len(),
        });
        blocks.sum::<usize>() + self.open.capacity()
    }
}

/// The texts one after the other; a block that was read is freed.
#[derive(Debug)]
pub struct IntoTexts {
    blocks: std::vec::IntoIter<Block>,
    open: Vec<u8>,
    block: Vec<u8>,
    at: usize,
}

impl IntoIterator for PackedTexts {
    type Item = String;
    type IntoIter = IntoTexts;

    fn into_iter(self) -> IntoTexts {
        IntoTexts {
            blocks: self.blocks.into_iter(),
            open: self.open,
            block: Vec::new(),
            at: 0,
        }
    }
}

impl Iterator for IntoTexts {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.at >= self.block.len() {
            self.at = 0;
            self.block = match self.blocks.next() {
                Some(block) => block.bytes().into_owned(),
                None if self.open.is_empty() => return None,
                None => mem::take(&mut self.open),
            };
        }
        let (text, rest) = split_text(&self.block[self.at..])?;
        let text = text.to_owned();
        self.at = self.block.len() - rest.len();
        Some(text)
    }
}

fn compress(bytes: &[u8]) -> Box<[u8]> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes);
    let packed = written.and_then(|()| encoder.finish());
    packed
        .expect("writing to memory does not fail")
        .into_boxed_slice()
}

fn decompress(block: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK + BLOCK / 8);
    DeflateDecoder::new(block)
        .read_to_end(&mut bytes)
        .expect("this process compressed the block");
    bytes
}

fn each_in(
    places: Range<usize>,
    mut bytes: &[u8],
    is_wanted: &dyn Fn(usize) -> bool,
    each: &mut dyn FnMut(usize, &str),
) {
    for place in places {
        let Some((text, rest)) = split_text(bytes) else {
            return;
        };
        if is_wanted(place) {
            each(place, text);
        }
        bytes = rest;
    }
}

/// The first text, and the bytes after it.
fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (text, rest) = rest.split_at(length.min(rest.len()));
    Some((std::str::from_utf8(text).expect("a text was added"), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: usize) -> String {
        let columns = (0..40).map(|column| format!(r#""msdyn_column{column}":"{number}","#));
        format!("{{{}}}", columns.collect::<String>())
    }

    #[test]
    fn texts_come_back_in_order_and_take_little_memory() {
        let mut packed = PackedTexts::default();
        let mut whole = 0;
        for number in 0..2_000 {
            whole += text(number).len();
            packed.push(&text(number));
        }
        let kept = packed.bytes_in_memory();
        assert!(kept < whole / 3, "{kept} of {whole} bytes");
        let mut both = PackedTexts::default();
        both.push("first");
        both.append(packed);
        both.push("last");
        let texts = (0..2_000).map(text);
        let expected: Vec<String> = std::iter::once("first".to_owned())
            .chain(texts)
            .chain(["last".to_owned()])
            .collect();
        let mut found = Vec::new();
        both.each(|text| found.push(text.to_owned()));
        assert!(found == expected);
        assert_eq!(both.len(), 2_002);
        let mut some = Vec::new();
        both.each_of(
            |at| at == 1 || at == 1_999,
            |at, text| some.push((at, text.to_owned())),
        );
        assert_eq!(some, [1, 1_999].map(|at| (at, expected[at].clone())));
        assert!(both.into_iter().eq(expected));
    }

    #[test]
    fn few_texts_are_kept_as_they_are() {
        let mut packed = PackedTexts::default();
        assert!(packed.is_empty() && packed.clone().into_iter().next().is_none());
        for text in ["", "é", "{}", ""] {
            packed.push(text);
        }
        packed.append(packed.clone());
        assert!(packed.blocks.is_empty());
        let expected = ["", "é", "{}", "", "", "é", "{}", ""];
        assert!(packed.into_iter().eq(expected));
    }
}
