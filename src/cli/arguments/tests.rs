use super::*;

fn parse(line: &str) -> Result<Command, i32> {
    let words = std::iter::once("highwater").chain(line.split_whitespace());
    Arguments::try_parse_from(words).map(Arguments::command).map_err(|error| error.exit_code())
}

#[test]
fn serving_is_what_is_done_without_a_command() {
    let overrides = vec![("a.b".to_owned(), "c=d".to_owned()), ("e".to_owned(), String::new())];
    for (line, config, overrides) in [
        ("", None, vec![]),
        ("serve", None, vec![]),
        ("serve --config x.properties", Some("x.properties"), vec![]),
        ("--config x.properties", Some("x.properties"), vec![]),
        ("serve --override a.b=c=d --override e=", None, overrides.clone()),
        ("--override a.b=c=d --override e=", None, overrides),
    ] {
        let expected = ServeArguments { config: config.map(PathBuf::from), overrides };
        assert_eq!(parse(line), Ok(Command::Serve(expected)), "{line:?}");
    }
}

#[test]
fn help_and_version_end_with_0_and_mistakes_with_2() {
    for (line, code) in [
        ("--help", 0),
        ("serve --help", 0),
        ("--version", 0),
        ("--what", 2),
        ("sreve", 2),
        ("serve --override nothing", 2),
        ("serve --override =value", 2),
        ("serve --config", 2),
        ("dump", 2),
        ("dump --what x", 2),
        ("dump --help", 0),
        ("verify a b", 2),
        ("verify a --config b", 2),
        ("verify --help", 0),
        ("tier", 2),
        ("tier probe s3://b", 2),
        ("tier probe --help", 0),
        ("txn", 2),
        ("txn lst", 2),
        ("txn list a:1", 2),
        ("txn list --help", 0),
    ] {
        assert_eq!(parse(line), Err(code), "{line:?}");
    }
}

#[test]
fn what_is_looked_at() {
    for (line, expected) in [
        ("dump a b", DumpArguments { paths: vec!["a".into(), "b".into()], ..DumpArguments::default() }),
        ("dump --records --json a", DumpArguments { paths: vec!["a".into()], records: true, json: true }),
    ] {
        assert_eq!(parse(line), Ok(Command::Dump(expected)), "{line:?}");
    }
    for (line, directory, config) in
        [("verify", None, None), ("verify d", Some("d"), None), ("verify --config c", None, Some("c"))]
    {
        let (directory, config) = (directory.map(PathBuf::from), config.map(PathBuf::from));
        assert_eq!(parse(line), Ok(Command::Verify(VerifyArguments { directory, config })), "{line:?}");
    }
}

#[test]
fn what_tier_probe_tries() {
    let overrides = vec![("highwater.tier.store".to_owned(), "file:///a".to_owned())];
    for (line, config, overrides) in [
        ("tier probe", None, vec![]),
        ("tier probe --config c --override highwater.tier.store=file:///a", Some("c"), overrides),
    ] {
        let command = TierCommand::Probe(TierProbeArguments { config: config.map(PathBuf::from), overrides });
        assert_eq!(parse(line), Ok(Command::Tier(TierArguments { command })), "{line:?}");
    }
}

#[test]
fn whom_txn_list_asks() {
    for (line, bootstrap, json) in
        [("txn list", "localhost:9092", false), ("txn list --bootstrap-server a:1 --json", "a:1", true)]
    {
        let arguments = TxnListArguments { bootstrap_server: bootstrap.to_owned(), json };
        let expected = Command::Txn(TxnArguments { command: TxnCommand::List(arguments) });
        assert_eq!(parse(line), Ok(expected), "{line:?}");
    }
}
