//! The differential script, aimed at a broker by its address: prints what it answers.

use std::process::ExitCode;

use protocol_tests::client::resolve;
use protocol_tests::differential;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [flag, broker] = &words[..] else {
        eprintln!("usage: differential --broker HOST:PORT");
        return ExitCode::from(2);
    };
    let played = match flag.as_str() {
        "--broker" => resolve(broker).and_then(differential::play),
        other => Err(anyhow::anyhow!("{other} is not known")),
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
