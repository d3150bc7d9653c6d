use std::path::Path;

use super::*;
use crate::env::{File, FileExtent, Files, OpenMode, RealFiles};
use crate::protocol::Piece;

const FILE_BYTES: usize = 1_500_000;

fn content() -> Vec<u8> {
    (0..FILE_BYTES as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn file_of(files: &dyn Files, path: &Path, content: &[u8]) -> Arc<dyn File> {
    let file = files.open(path, OpenMode::Create).expect("a new file");
    file.write_all_at(content, 0).expect("room for it");
    file.sync_data().expect("room for it");
    file
}

fn extent(file: &Arc<dyn File>, offset: usize, length: usize) -> Piece {
    Piece::File(FileExtent { file: file.clone(), offset: offset as u64, length: length as u64 })
}

/// A file whose descriptor, if it has one, is not told.
struct WithoutDescriptor(Arc<dyn File>);

impl File for WithoutDescriptor {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.0.set_len(length)
    }
    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }
    fn drop_cache(&self, offset: u64, length: u64) -> std::io::Result<()> {
        self.0.drop_cache(offset, length)
    }
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

#[tokio::test]
async fn extents_are_sent_between_bytes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let content = content();
    let file = file_of(&RealFiles, &directory.path().join("0.log"), &content);
    let hidden: Arc<dyn File> = Arc::new(WithoutDescriptor(file.clone()));
    let check = async |file: &Arc<dyn File>, case: &str| {
        let pieces = vec![
            Piece::Bytes(Bytes::from_static(b"\0\0\0\x01head")),
            extent(file, 3, 1_000_000),
            Piece::Bytes(Bytes::new()),
            extent(file, 0, 0),
            extent(file, 1_400_000, 100_000),
            Piece::Bytes(Bytes::from_static(b"tail")),
            extent(file, 17, 1),
        ];
        let handler = Fake(move |_, _| done(Reply::Pieces(pieces.clone())));
        let server = start(limits(), handler);
        let mut client = Client::connect(&server).await;
        // Twice, together: the second reply begins where the first ends.
        client.send(&[request(1), request(1)].concat()).await;
        let parts =
            [b"head", &content[3..1_000_003], &content[1_400_000..1_500_000], b"tail", &content[17..18]];
        for _ in 0..2 {
            let (id, rest) = client.receive().await;
            assert!(id == 1 && rest == parts.concat(), "{case}");
        }
    };
    check(&file, "warm").await;
    file.drop_cache(0, 1 << 30).expect("advice is taken");
    check(&file, "cold").await;
    check(&hidden, "without a descriptor").await;
}

#[tokio::test]
async fn a_file_that_is_too_short_closes_the_connection() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = file_of(&RealFiles, &directory.path().join("0.log"), &[1; 1000]);
    for length in [1001, 1_000_000] {
        let log = Log::capture();
        let pieces = vec![extent(&file, 0, length)];
        let server = start(limits(), Fake(move |_, _| done(Reply::Pieces(pieces.clone()))));
        let mut client = Client::connect(&server).await;
        client.send(&request(1)).await;
        eventually(|| !log.closed().is_empty()).await;
        assert!(log.closed()[0].contains("a reply cannot be sent"), "{:?}", log.closed());
    }
}
