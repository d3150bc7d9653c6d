//! Tables, times and sizes, for whoever reads them at a terminal.

use std::fmt::Write;

const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
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

/// Milliseconds since the Unix epoch as `2026-11-26T09:30:00Z`.
pub(super) fn utc(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY));
    // Days are counted from 1 March of year 0, in eras of 400 years, so that a leap day ends its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;
