//! Writes what is made of results: tables, plots, the README's table. The same results give the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use resvg::{tiny_skia, usvg};

use crate::case::Scale;
use crate::figures::{RESULTS, Results};
use crate::markdown;
use crate::options::Options;
use crate::plots::{self, Plot};
use crate::tier::report;

/// The README's table stands between these lines.
const BEGIN: &str = "<!-- figures: written by `make bench` -->\n";
const END: &str = "<!-- end of figures -->";
/// Dots of a PNG for each unit of its SVG: sharp on screens of today.
const PNG_SCALE: f32 = 2.0;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn figures_folder() -> PathBuf {
    root().join("docs/bench")
}

/// Where results go: into the repository, unless it is only a trial.
pub fn folder(options: &Options) -> Result<PathBuf> {
    let folder = match (&options.out, options.scale) {
        (Some(out), _) => out.clone(),
        (None, Scale::Full) => figures_folder(),
        (None, Scale::Quick) => {
            let program = std::env::current_exe()?;
            // <target>/<profile>/bench
            program.ancestors().nth(2).context("this program lies in a target folder")?.join("bench-trial")
        }
    };
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Makes everything again from what was written down: `results.json`, and the tier's if they are there.
pub fn again(options: &Options) -> Result<ExitCode> {
    let folder = folder(options)?;
    let has_tier = folder.join(format!("{}.json", report::RESULTS)).exists();
    if has_tier {
        write_tier(&Results::read(&folder, report::RESULTS)?, &folder)?;
    }
    if !has_tier || folder.join(format!("{RESULTS}.json")).exists() {
        write(&Results::read(&folder, RESULTS)?, &folder)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the table and the plots of tiered storage.
pub fn write_tier(results: &Results, folder: &Path) -> Result<()> {
    fs::write(folder.join(format!("{}.md", report::RESULTS)), report::page(results))?;
    write_plots(&report::plots(results), folder)
}

fn write_plots(plots: &[Plot], folder: &Path) -> Result<()> {
    for plot in plots {
        fs::write(folder.join(format!("{}.svg", plot.name)), &plot.svg)?;
        fs::write(folder.join(format!("{}.png", plot.name)), png(&plot.svg)?)?;
    }
    Ok(())
}

/// Writes tables and plots; the README's too if these are the repository's figures.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    fs::write(folder.join("results.md"), markdown::page(results))?;
    write_plots(&plots::all(results), folder)?;
    if !results.quick && same_folder(folder, &figures_folder()) {
        let path = root().join("README.md");
        fs::write(&path, with_table(&fs::read_to_string(&path)?, &markdown::readme(results))?)?;
    }
    Ok(())
}

fn same_folder(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// The README with another table.
fn with_table(readme: &str, table: &str) -> Result<String> {
    let (before, rest) = readme.split_once(BEGIN).with_context(|| format!("the README lacks {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("the README lacks {END}"))?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// A picture of a drawing, with a font that comes with this program: the same on every machine.
fn png(svg: &str) -> Result<Vec<u8>> {
    let mut fonts = usvg::fontdb::Database::new();
    for font in [dejavu::sans::regular(), dejavu::sans::bold()] {
        fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::new(font)));
    }
    let options = usvg::Options { fontdb: Arc::new(fonts), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = (size.width() * PNG_SCALE, size.height() * PNG_SCALE);
    let mut picture =
        tiny_skia::Pixmap::new(width.ceil() as u32, height.ceil() as u32).context("a picture has a size")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(PNG_SCALE, PNG_SCALE), &mut picture.as_mut());
    Ok(picture.encode_png()?)
}

/// Results that were never measured, for tests.
#[cfg(test)]
pub fn example() -> Results {
    serde_json::from_str(include_str!("render/example.json")).expect("it is whole")
}

#[cfg(test)]
mod tests;
