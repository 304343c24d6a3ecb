//! Draws the model: 80 by 24 is enough, more room shows more rows.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline, Wrap};

use super::keys::HELP;
use super::model::{Model, Panel, Row};
use crate::domain::Status;
use crate::telemetry::names;

/// Smallest screen on which tables make sense.
const SMALLEST: (u16, u16) = (60, 16);

/// Draws all of it; `now` in seconds of the program's own clock.
pub fn draw(frame: &mut Frame<'_>, model: &Model, now: f64) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let text = format!(
            "dex top needs {} by {} characters; here are {} by {}.",
            SMALLEST.0, SMALLEST.1, area.width, area.height
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let [title, state, upper, lower, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title_line(model), title);
    frame.render_widget(Paragraph::new(state_lines(model, now)), state);
    let [left, right] = Layout::horizontal([Constraint::Length(36), Constraint::Fill(1)]).areas(upper);
    let [counts, pulse] = Layout::vertical([Constraint::Length(9), Constraint::Fill(1)]).areas(left);
    exchanges(frame, model, counts);
    sparkline(frame, model, pulse);
    table(frame, model, Panel::Reasons, right);
    let [left, right] = Layout::horizontal([Constraint::Length(36), Constraint::Fill(1)]).areas(lower);
    table(frame, model, Panel::Partitions, left);
    table(frame, model, Panel::Steps, right);
    frame.render_widget(foot_line(model), foot);
    if model.help {
        help(frame, area);
    }
}

fn title_line(model: &Model) -> Line<'_> {
    let up = model.sum(names::START_TIME_SECONDS).and_then(|began| {
        let now = crate::client::ids::now().unix_ms() as f64 / 1000.0;
        (now > began).then(|| format!("  up {}", span((now - began) as u64)))
    });
    let mut spans = vec![
        Span::styled(" dex top ", Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(format!(" {}{}", model.source, up.unwrap_or_default())),
    ];
    if model.paused {
        spans.push(Span::styled("  HELD STILL ", Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)));
    }
    Line::from(spans)
}

fn state_lines(model: &Model, now: f64) -> Vec<Line<'_>> {
    if let Some(fault) = &model.fault {
        let since = (now - model.fault_since).max(0.0) as u64;
        let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        return vec![
            Line::styled(format!(" no figures for {}: tried again every second", span(since)), style),
            Line::styled(format!(" {fault}"), Style::new().fg(Color::Red)),
        ];
    }
    if model.last().is_none() {
        return vec![Line::raw(" asking …")];
    }
    let flag = |name: &str, good: &'static str, bad: &'static str| match model.sum(name) {
        None => Span::raw(""),
        Some(value) if value >= 1.0 => Span::styled(format!(" {good}"), Style::new().fg(Color::Green)),
        Some(_) => Span::styled(format!(" {bad} "), Style::new().fg(Color::Red).add_modifier(Modifier::REVERSED)),
    };
    let failing: Vec<&str> = model
        .last()
        .map(|last| {
            last.all(names::HEALTH_CHECK).iter().filter(|(_, well)| *well < 1.0).map(|(check, _)| check.as_str())
        })
        .into_iter()
        .flatten()
        .collect();
    let mut first = vec![
        flag(names::READY, "ready", "NOT READY"),
        flag(names::LIVE, "live", "STUCK"),
        flag(names::NATS_CONNECTED, "broker connected", "BROKER AWAY"),
    ];
    if !failing.is_empty() {
        first.push(Span::styled(format!(" {}", failing.join(" ")), Style::new().fg(Color::Red)));
    }
    if let Some(count) = model.sum(names::ENTITIES_QUARANTINED).filter(|count| *count > 0.0) {
        first.push(Span::styled(format!(" {count} quarantined"), Style::new().fg(Color::Red)));
    }
    let mut second = String::new();
    for (name, what, bytes) in [
        (names::LEDGER_TREE_SIZE, "ledger", false),
        (names::OPEN_EXCHANGES, "open", false),
        (names::INTAKE_LAG_MESSAGES, "lag", false),
        (names::TAIL_ENTRIES, "tail", false),
        (names::SPOOL_BYTES, "spool", true),
        (names::DISK_FREE_BYTES, "disk free", true),
    ] {
        if let Some(value) = model.sum(name) {
            second.push_str(&format!(" {what} {} ", if bytes { size(value) } else { whole(value) }));
        }
    }
    vec![Line::from(first), Line::raw(second)]
}

fn exchanges(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let mut lines = Vec::new();
    for status in Status::ALL {
        let label = status.as_str();
        let total = model.now(names::EXCHANGES_TOTAL, label).map_or_else(|| "-".into(), whole);
        let rate = model.rate(names::EXCHANGES_TOTAL, label).map_or_else(|| "-".into(), rate);
        lines.push(Line::raw(format!("{label:<10}{total:>14}{rate:>10}")));
    }
    let block = Block::bordered().title(" exchanges       total      per s ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn sparkline(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    if area.height < 3 {
        return;
    }
    let pulse = model.pulse();
    let room = usize::from(area.width.saturating_sub(2));
    let shown = &pulse[pulse.len().saturating_sub(room)..];
    let most = shown.iter().max().copied().unwrap_or_default();
    let block = Block::bordered().title(format!(" settled per s, at most {most} "));
    frame.render_widget(Sparkline::default().data(shown).block(block), area);
}

/// Width of a column of figures.
const FIGURE: usize = 7;

fn table(frame: &mut Frame<'_>, model: &Model, panel: Panel, area: Rect) {
    let focused = model.focus == panel;
    let order = model.order(panel);
    let rows = model.rows(panel);
    let inner = usize::from(area.width.saturating_sub(2));
    let columns = panel.columns();
    let figure = if panel == Panel::Partitions { FIGURE - 1 } else { FIGURE };
    let name = inner.saturating_sub(figure * (columns.len() - 1));
    let mut head = Vec::with_capacity(columns.len());
    for (number, column) in columns.iter().enumerate() {
        let mark = if number == order.column { if order.falling { "▼" } else { "▲" } } else { "" };
        let text = format!("{column}{mark}");
        let text = if number == 0 { format!("{text:<name$}") } else { format!("{text:>figure$}") };
        let style = if number == order.column { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        head.push(Span::styled(text, style.add_modifier(Modifier::UNDERLINED)));
    }
    let mut lines = vec![Line::from(head)];
    let room = usize::from(area.height.saturating_sub(3));
    for row in rows.iter().skip(order.scroll).take(room) {
        lines.push(row_line(panel, row, name, figure));
    }
    if rows.is_empty() {
        lines.push(Line::styled(nothing(model, panel), Style::new().add_modifier(Modifier::DIM)));
    }
    let hidden = rows.len().saturating_sub(order.scroll + room);
    let title = match panel {
        Panel::Reasons => "why not",
        Panel::Partitions => "partitions",
        Panel::Steps => "how long (last 10 s)",
    };
    let mut block = Block::bordered().title(format!(" {title} "));
    if hidden > 0 {
        block = block.title_bottom(Line::raw(format!(" {hidden} more ")).right_aligned());
    }
    if focused {
        block = block.border_style(Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn nothing(model: &Model, panel: Panel) -> &'static str {
    match panel {
        _ if !model.filter.is_empty() => "nothing fits the filter",
        Panel::Reasons => "nothing was refused",
        _ if !model.is_whole() => "only told by --metrics",
        _ => "nothing yet",
    }
}

fn row_line(panel: Panel, row: &Row, name: usize, figure: usize) -> Line<'static> {
    let short: String = row.name.chars().take(name).collect();
    let mut text = format!("{short:<name$}");
    for (number, value) in row.figures.iter().enumerate() {
        let value = value.map_or_else(
            || "-".to_owned(),
            |value| match (panel, number) {
                (Panel::Steps, 1..) => seconds(value),
                (Panel::Steps, 0) | (Panel::Reasons, 1) => rate(value),
                _ => whole(value),
            },
        );
        text.push_str(&format!("{value:>figure$}"));
    }
    let lags = panel == Panel::Partitions && row.figures.first().copied().flatten().is_some_and(|lag| lag > 1000.0);
    Line::styled(text, if lags { Style::new().fg(Color::Yellow) } else { Style::new() })
}

fn foot_line(model: &Model) -> Line<'_> {
    if model.typing {
        return Line::raw(format!(" filter: {}▏  Enter keeps it, Esc removes it", model.filter));
    }
    let filter = if model.filter.is_empty() { String::new() } else { format!("  filter: {}", model.filter) };
    Line::raw(format!(" Tab table  s sort  r turn  / filter  space hold  h help  q end{filter}"))
        .style(Style::new().add_modifier(Modifier::DIM))
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'_>> = HELP.iter().map(|(keys, what)| Line::raw(format!(" {keys:<22}{what}"))).collect();
    let (width, height) = (78.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let at = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    frame.render_widget(Clear, at);
    let block =
        Block::bordered().title(" keys ").title_bottom(" any key closes this ").title_alignment(Alignment::Center);
    frame.render_widget(Paragraph::new(lines).block(block), at);
}

/// A whole number, short from a million on.
fn whole(value: f64) -> String {
    match value {
        ..1e6 => format!("{value:.0}"),
        ..1e9 => format!("{:.2}M", value / 1e6),
        _ => format!("{:.2}G", value / 1e9),
    }
}

fn rate(value: f64) -> String {
    if value > 0.0 && value < 10.0 { format!("{value:.1}") } else { whole(value) }
}

/// Bytes in binary units.
fn size(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

fn seconds(value: f64) -> String {
    match value {
        ..1e-3 => format!("{:.0}us", value * 1e6),
        ..1.0 => format!("{:.1}ms", value * 1e3),
        ..100.0 => format!("{value:.1}s"),
        _ => format!("{value:.0}s"),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::model::tests::model;
    use super::*;

    fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, model, 30.0)).expect("drawn");
        let buffer = terminal.backend().buffer();
        let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(line).collect()
    }

    fn has(screen: &[String], words: &[&str]) {
        for word in words {
            assert!(screen.iter().any(|line| line.contains(word)), "{word:?} is not on\n{}", screen.join("\n"));
        }
    }

    #[test]
    fn eighty_by_twenty_four_holds_all_of_it() {
        let mut model = model();
        let shown = screen(&model, 80, 24);
        has(
            &shown,
            &[
                "dex top",
                "ready live broker connected",
                "disk free 11.5 GiB",
                &format!("{:<10}{:>14}{:>10}", "settled", 1900, 100),
            ],
        );
        has(&shown, &["stale, rejected", "digest-mismatch, disputed", "commit a group", "5.0ms", "9.9ms", "q end"]);
        has(&shown, &["partitions", "p99▼"]);
        has(&screen(&model, 80, 32), &["settled per s, at most 100"]);
        for (y, line) in shown.iter().enumerate() {
            assert_eq!(line.chars().count(), 80, "line {y}");
        }
        model.help = true;
        has(&screen(&model, 80, 24), &["Shift-Tab", "any key closes this"]);
    }

    #[test]
    fn every_size_is_drawn_and_a_small_one_says_so() {
        let model = model();
        for (width, height) in [(1, 1), (20, 5), (59, 30), (60, 16), (79, 23), (132, 50), (300, 100)] {
            let shown = screen(&model, width, height);
            if width < 60 && width > 12 {
                has(&shown, &["dex top needs"]);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut model = model();
        model.failed("http://127.0.0.1:8080/metrics: connection refused".into(), 18.0);
        has(&screen(&model, 80, 24), &["no figures for 12 s", "connection refused"]);
        model.push(super::super::sample::Sample::of_page(
            "dex_ready 0\ndex_health_check{check=\"disk\"} 0\ndex_health_check{check=\"broker\"} 1\ndex_start_time_seconds 5\n",
            31.0,
        ));
        let shown = screen(&model, 80, 24);
        has(&shown, &["NOT READY", " disk"]);
        model.filter = "zzz".into();
        model.typing = true;
        has(&screen(&model, 80, 24), &["nothing fits the filter", "filter: zzz"]);
        let empty = Model::new("here".into());
        has(&screen(&empty, 80, 24), &["asking"]);
    }

    #[test]
    fn figures_are_short() {
        assert_eq!((whole(999_999.0), whole(1.5e6), whole(2e9)), ("999999".into(), "1.50M".into(), "2.00G".into()));
        assert_eq!((seconds(0.00002), seconds(0.0125), seconds(2.0)), ("20us".into(), "12.5ms".into(), "2.0s".into()));
        assert_eq!((span(59), span(3700), span(90_000)), ("59 s".into(), "1 h 1 min".into(), "1 d 1 h".into()));
        assert_eq!((size(5.0), size(2048.0)), ("5 B".into(), "2.0 KiB".into()));
    }
}
