//! Time of each step of a record's way in and out: `cargo bench --bench micro [-- NAME]`.

mod cases;

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};

use cases::Entry;

/// Enough for a spread of a few percent on a quiet machine, for all cases in about a minute.
const MEASURED: Duration = Duration::from_millis(1_500);
const WARM_UP: Duration = Duration::from_millis(300);
const SAMPLES: usize = 20;

fn main() {
    let mut criterion = Criterion::default()
        .measurement_time(MEASURED)
        .warm_up_time(WARM_UP)
        .sample_size(SAMPLES)
        .without_plots()
        .configure_from_args();
    for entry in cases::ALL {
        measure(&mut criterion, entry);
    }
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, entry: &Entry) {
    let mut group = criterion.benchmark_group("highwater");
    group.throughput(Throughput::Bytes(entry.bytes));
    // Opened here, so that only the cases that are asked for are.
    group.bench_function(entry.name, |bencher| {
        let case = std::cell::RefCell::new((entry.open)().expect("a folder to write in"));
        let prepare = || case.borrow_mut().prepare();
        bencher.iter_batched(prepare, |()| case.borrow_mut().turn(), BatchSize::PerIteration);
    });
    group.finish();
}
