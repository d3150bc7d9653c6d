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
        ("tier status orders", 2),
        ("tier ls orders:x", 2),
        ("tier ls orders:-1", 2),
        ("tier ls a/b", 2),
        ("tier ls --from-store --admin a:1", 2),
        ("tier verify orders", 2),
        ("tier cost --put-price free", 2),
        ("tier cost --put-price -1", 2),
        ("tier cost --help", 0),
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
        let command = TierCommand::Probe(StoreArguments { config: config.map(PathBuf::from), overrides });
        assert_eq!(parse(line), Ok(Command::Tier(TierArguments { command })), "{line:?}");
    }
}

fn admin(admin: &str, json: bool) -> AdminArguments {
    AdminArguments { admin: admin.to_owned(), json }
}

fn tier(line: &str) -> TierCommand {
    match parse(line) {
        Ok(Command::Tier(TierArguments { command })) => command,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn what_is_asked_of_the_tier() {
    let usual = || admin("localhost:9644", false);
    assert_eq!(tier("tier status"), TierCommand::Status(TierStatusArguments { admin: usual() }));
    let asked = TierStatusArguments { admin: admin("a:1", true) };
    assert_eq!(tier("tier status --admin a:1 --json"), TierCommand::Status(asked));
    let store = StoreArguments { config: Some("c".into()), overrides: vec![] };
    let ls = |topic: Option<(&str, Option<i32>)>, from_store: bool| TierLsArguments {
        topic: topic.map(|(topic, partition)| TopicPartitionName { topic: topic.to_owned(), partition }),
        admin: usual(),
        from_store,
        store: if from_store { store.clone() } else { StoreArguments::default() },
    };
    for (line, expected) in [
        ("tier ls", ls(None, false)),
        ("tier ls or.d_er-s", ls(Some(("or.d_er-s", None)), false)),
        ("tier ls orders:12", ls(Some(("orders", Some(12))), false)),
        ("tier ls --from-store --config c", ls(None, true)),
    ] {
        assert_eq!(tier(line), TierCommand::Ls(expected), "{line}");
    }
    let verify = TierVerifyArguments { store, admin: Some("a:1".to_owned()), sizes_only: true, json: true };
    let line = "tier verify --config c --admin a:1 --sizes-only --json";
    assert_eq!(tier(line), TierCommand::Verify(verify));
    let prices = Prices { put_price: 0.01, get_price: 0.0004, read_price: 0.09, storage_price: 0.023 };
    let cost = TierCostArguments { admin: usual(), prices };
    assert_eq!(tier("tier cost --put-price 0.01 --read-price 0.09"), TierCommand::Cost(cost));
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
