use super::*;

#[test]
fn a_filter_that_is_none_says_what_one_is() {
    for (filter, good) in [
        (None, true),
        (Some(""), true),
        (Some("debug"), true),
        (Some("highwater::wal=debug,info"), true),
        (Some("highwater=loud"), false),
        (Some("=="), false),
    ] {
        let parsed = parse_filter(filter);
        assert_eq!(parsed.is_ok(), good, "{filter:?}");
        if let Err(error) = parsed {
            assert!(error.to_string().contains("write a level"), "{error}");
        }
    }
}

/// What a subscriber with that filter writes of one line of each.
fn written(filter: Option<&str>) -> Vec<&'static str> {
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<&'static str>>>);
    impl<S: tracing::Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(event.metadata().target());
        }
    }
    let kept = Kept::default();
    let registry = tracing_subscriber::registry().with(parse_filter(filter).unwrap()).with(kept.clone());
    tracing::subscriber::with_default(registry, || {
        tracing::info!(target: "foyer_storage::engine", "how its regions are laid out");
        tracing::warn!(target: "foyer_memory", "something is wrong");
        tracing::info!(target: "highwater::broker", "something happened");
    });
    let kept = kept.0.lock().unwrap();
    kept.clone()
}

#[test]
fn the_cache_of_blocks_tells_of_its_insides_only_where_that_is_asked_for() {
    let usual = ["foyer_memory", "highwater::broker"];
    assert_eq!(written(None), usual);
    assert_eq!(written(Some("")), usual);
    assert_eq!(written(Some("info")), ["foyer_storage::engine", "foyer_memory", "highwater::broker"]);
}
