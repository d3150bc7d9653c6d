use super::*;

#[test]
fn a_table_takes_the_place_of_the_old_one() {
    let readme = format!("before\n{BEGIN}old\n{END}\nafter\n");
    assert_eq!(with_table(&readme, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}\nafter\n"));
    assert!(with_table("before\n", "new\n").is_err());
}

#[test]
fn drawings_are_pictures_with_letters() {
    for plot in plots::all(&example()) {
        let picture = tiny_skia::Pixmap::decode_png(&png(&plot.svg).unwrap()).unwrap();
        assert_eq!(picture.width(), 1_920, "{}", plot.name);
        let dark = picture.pixels().iter().filter(|pixel| pixel.alpha() == 255 && pixel.green() < 64).count();
        assert!(dark > 2_000, "{}: {dark} dark dots: no letters", plot.name);
    }
}

#[test]
fn a_trial_does_not_touch_the_readme_and_writes_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = example();
    results.quick = true;
    results.write(folder.path(), RESULTS).unwrap();
    let results = Results::read(folder.path(), RESULTS).unwrap();
    write(&results, folder.path()).unwrap();
    let names = ["results.md", "cpu.svg", "cpu.png", "latency.svg", "memory.svg", "ready.png"];
    assert!(names.iter().all(|name| folder.path().join(name).is_file()));
}

/// What is checked in is what is made of `docs/bench/results.json`.
#[test]
fn tables_and_drawings_in_the_repository_are_of_its_results() {
    let folder = figures_folder();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let Ok(results) = Results::read(&folder, RESULTS) else {
        assert!(!folder.join("results.json").exists(), "docs/bench/results.json cannot be read");
        // Nothing was measured yet, so nothing may be quoted.
        assert!(!folder.join("results.md").exists());
        assert!(with_table(&readme, "").unwrap().len() + 200 > readme.len(), "the README quotes figures");
        return;
    };
    assert!(!results.quick, "a trial's figures are in the repository");
    let again = "cargo run --release --package bench -- render";
    assert!(with_table(&readme, &markdown::readme(&results)).unwrap() == readme, "README.md: {again}");
    let written = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert!(written("results.md") == markdown::page(&results), "docs/bench/results.md: {again}");
    for plot in plots::all(&results) {
        assert!(written(&format!("{}.svg", plot.name)) == plot.svg, "docs/bench/{}.svg: {again}", plot.name);
    }
}

/// So are those of tiered storage, if there are any.
#[test]
fn the_tiers_tables_and_drawings_in_the_repository_are_of_its_results() {
    let folder = figures_folder();
    if !folder.join(format!("{}.json", report::RESULTS)).exists() {
        return;
    }
    let results = Results::read(&folder, report::RESULTS).unwrap();
    assert!(!results.quick, "a trial's figures are in the repository");
    let again = "cargo run --release --package bench -- render";
    let written = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert!(written(&format!("{}.md", report::RESULTS)) == report::page(&results), "docs/bench: {again}");
    for plot in report::plots(&results) {
        assert!(written(&format!("{}.svg", plot.name)) == plot.svg, "docs/bench/{}.svg: {again}", plot.name);
    }
}
