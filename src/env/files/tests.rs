use super::*;

#[test]
fn pieces_are_written_one_behind_the_other_however_many_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealFiles.open(&dir.path().join("a"), OpenMode::Create).unwrap();
    let numbers: Vec<[u8; 2]> = (0..3 * PIECES_MAX as u16 + 7).map(u16::to_be_bytes).collect();
    let mut pieces: Vec<&[u8]> = numbers.iter().map(|number| &number[..]).collect();
    pieces.insert(0, b"");
    pieces.push(b"");
    file.write_all_at(b"head", 0).unwrap();
    file.write_all_vectored_at(&pieces, 4).unwrap();
    file.write_all_vectored_at(&[b"", b""], 2).unwrap();
    file.write_all_vectored_at(&[], 2).unwrap();
    let expected = [b"head", numbers.concat().as_slice()].concat();
    assert_eq!(RealFiles.read(&dir.path().join("a"), 1 << 20).unwrap(), expected);
}

#[test]
fn a_file_that_is_not_writable_takes_no_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    RealFiles.open(&path, OpenMode::Create).unwrap();
    let file = RealFiles.open(&path, OpenMode::Read).unwrap();
    assert!(file.write_all_vectored_at(&[b"a", b"b"], 0).is_err());
}
