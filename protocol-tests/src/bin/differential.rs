//! The differential script, or the part of it whose cases' names begin so, aimed at a broker by its address:
//! prints what it answers.

use std::process::ExitCode;

use protocol_tests::client::resolve;
use protocol_tests::differential;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let played = match words[..] {
        ["--broker", broker] => resolve(broker).and_then(differential::play),
        ["--broker", broker, prefix] => resolve(broker)
            .and_then(|broker| differential::play_cases(broker, prefix))
            .map(|transcript| transcript.text()),
        _ => {
            eprintln!("usage: differential --broker HOST:PORT [CASE]");
            return ExitCode::from(2);
        }
    };
    match played {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("differential: {error:#}");
            ExitCode::FAILURE
        }
    }
}
