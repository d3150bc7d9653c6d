//! Instructions of one turn of each case, counted by callgrind and compared with `benches/instructions.txt`.
//!
//! `make instructions` shows the table, `make instructions ARGS=--write` writes the file again, a case's name
//! in ARGS counts that one alone. A change never fails: whoever reads the table judges it. Where valgrind
//! cannot be had, nothing is counted, and a line says so.
//!
//! The program starts itself under valgrind, once for each case, and has only [`counted`] collected. A turn
//! is counted several times, after as many that are not: pools and caches are filled then.

mod cases;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use highwater::env::{Files, RealFiles};

use cases::{Case, Entry};

/// Turns before the first one that is counted.
const TURNS_BEFORE: u64 = 10;
/// Turns that are counted.
const TURNS: u64 = 20;
/// A change that is pointed out, in percent.
const CHANGE_PERCENT: f64 = 5.0;
/// The name of [`counted`] as valgrind reads it from the symbols.
const COUNTED: &str = "*instructions*counted*";
/// Longest baseline that is read.
const BASELINE_BYTES_MAX: u64 = 64 << 10;
/// Begins the line of the baseline that says what it was counted with.
const MADE_WITH: &str = "# with ";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["--turns", name] => turn(find(name)?),
        ["--write"] => write(),
        names => show(names),
    }
}

fn find(name: &str) -> Result<&'static Entry> {
    cases::ALL.iter().find(|entry| entry.name == name).with_context(|| format!("there is no case {name}"))
}

/// What runs under valgrind.
fn turn(entry: &Entry) -> Result<()> {
    let mut case = (entry.open)()?;
    for number in 0..TURNS_BEFORE + TURNS {
        case.prepare();
        if number < TURNS_BEFORE { case.turn() } else { counted(case.as_mut()) }
    }
    Ok(())
}

/// Callgrind collects while this runs, on the thread that runs it.
#[inline(never)]
fn counted(case: &mut dyn Case) {
    case.turn();
}

fn show(names: &[&str]) -> Result<()> {
    let Some(with) = made_with() else { return Ok(()) };
    let (then_with, baseline) = read_baseline()?;
    println!(
        "{:<28} {:>11} {:>11} {:>9} {:>9}",
        "instructions of one turn", "baseline", "now", "a byte", "change"
    );
    let chosen = cases::ALL.iter().filter(|entry| names.is_empty() || names.contains(&entry.name));
    let mut changed = 0;
    for entry in chosen {
        let now = count(entry)?;
        let then = baseline.get(entry.name).copied();
        let change = then.map(|then| (now as f64 / then as f64 - 1.0) * 100.0);
        let is_large = then_with == with && change.is_some_and(|change| change.abs() > CHANGE_PERCENT);
        changed += u32::from(is_large);
        let then = then.map_or_else(|| "-".to_owned(), |then| then.to_string());
        let change = change.map_or_else(|| "new".to_owned(), |change| format!("{change:+.1} %"));
        let mark = if is_large { "  <==" } else { "" };
        let per_byte = now as f64 / entry.bytes as f64;
        println!("{:<28} {then:>11} {now:>11} {per_byte:>9.3} {change:>9}{mark}", entry.name);
    }
    if then_with != with {
        println!("other toolchain: {with}; the baseline was counted with {then_with}: changes say little");
    } else if changed > 0 {
        println!("{changed} changed by more than {CHANGE_PERCENT} %; meant: make instructions ARGS=--write");
    }
    Ok(())
}

fn write() -> Result<()> {
    let Some(with) = made_with() else { bail!("without valgrind there is nothing to write") };
    let mut text =
        String::from("# Instructions of one turn: make instructions. See benches/instructions.rs.\n");
    text += &format!("{MADE_WITH}{with}\n");
    for entry in cases::ALL {
        text += &format!("{} {}\n", entry.name, count(entry)?);
    }
    RealFiles.replace(&baseline_path(), text.as_bytes())?;
    print!("{text}");
    Ok(())
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

/// What the baseline was counted with, and the counts by case; both empty if there is none.
fn read_baseline() -> Result<(String, BTreeMap<String, u64>)> {
    let path = baseline_path();
    let (mut with, mut counts) = (String::new(), BTreeMap::new());
    if !RealFiles.exists(&path)? {
        return Ok((with, counts));
    }
    for line in String::from_utf8(RealFiles.read(&path, BASELINE_BYTES_MAX)?)?.lines() {
        if let Some(rest) = line.strip_prefix(MADE_WITH) {
            rest.clone_into(&mut with);
        } else if let Some((name, count)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
            counts.insert(name.to_owned(), count.parse().with_context(|| format!("a count: {line}"))?);
        }
    }
    Ok((with, counts))
}

fn count(entry: &Entry) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(std::env::current_exe()?)
        .args(["--turns", entry.name])
        .output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} under valgrind: {}\n{words}", entry.name, output.status);
    let collected = words.lines().find_map(|line| line.split_once("Collected : ")).context("no count")?.1;
    let all: u64 = collected.trim().parse()?;
    ensure!(all > 0, "{}: nothing was counted; is {COUNTED} not the name of a function?", entry.name);
    Ok(all / TURNS)
}

/// What decides how many instructions the same source becomes; `None`, said aloud, without valgrind.
fn made_with() -> Option<String> {
    if said_by("valgrind", &["--version"]).is_none() {
        install_valgrind();
    }
    let Some(valgrind) = said_by("valgrind", &["--version"]) else {
        println!("instructions: not counted, valgrind cannot be had here (apt-get install valgrind)");
        return None;
    };
    let rustc = said_by("rustc", &["--version"]).unwrap_or_default();
    let libc = said_by("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_default();
    Some(format!("{rustc}, {valgrind}, {libc}, {}", processor()))
}

/// What libraries ask the processor for.
#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let features = [
        ("sse4.2", std::is_x86_feature_detected!("sse4.2")),
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("erms", std::is_x86_feature_detected!("ermsb")),
    ];
    let has = features.iter().filter(|(_, has)| *has).map(|(name, _)| format!(" {name}"));
    format!("x86_64{}", has.collect::<String>())
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.to_owned()
}

fn install_valgrind() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    println!("installing valgrind");
    for words in [&["update"][..], &["install", "--no-install-recommends", "valgrind"]] {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        // Whether it helped is seen by asking for valgrind again.
        let _ = command.output();
    }
}

/// The first line that a program says; `None` if it cannot be run.
fn said_by(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}
