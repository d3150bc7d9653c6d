//! Tables, times and sizes, for whoever reads them at a terminal.

use std::fmt::Write;

/// More of one cell is cut off: an id may be as long as a request lets it be.
const CELL_CHARACTERS_MAX: usize = 200;
/// More than what a broker keeps of an error.
const LINE_CHARACTERS_MAX: usize = 2000;

/// A line of heads, then one for each row. Columns of numbers are set to the right.
pub(super) fn table<const N: usize>(heads: &[&str; N], numbers: &[bool; N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| {
        let mut text = String::new();
        for ((cell, width), is_number) in cells.iter().zip(widths).zip(numbers) {
            let _ = match is_number {
                true => write!(text, "{cell:>width$}  "),
                false => write!(text, "{cell:<width$}  "),
            };
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    };
    let heads = line(&heads.map(str::to_owned));
    heads + &rows.iter().map(line).collect::<String>()
}

/// Text that came from elsewhere, for a terminal: on one line, without control characters, and not too wide.
pub(super) fn cell(text: &str) -> String {
    text.escape_debug().take(CELL_CHARACTERS_MAX).collect()
}

/// The same for what stands in no table, such as the words of an error.
pub(super) fn one_line(text: &str) -> String {
    text.escape_debug().take(LINE_CHARACTERS_MAX).collect()
}

/// Bytes as `512 B`, `3.4 MiB` or `12.0 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Milliseconds as `1h05m`, `3m20s` or `4.2s`.
pub(super) fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let (seconds, minutes, hours) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    match () {
        () if hours > 0 => format!("{hours}h{:02}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m{:02}s", seconds % 60),
        () => format!("{seconds}.{}s", ms % 1000 / 100),
    }
}

#[cfg(test)]
mod tests;
