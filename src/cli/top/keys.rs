//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Model, Panel};

/// The keys, for the help.
pub const HELP: [(&str, &str); 9] = [
    ("Tab, Shift-Tab", "the next table, the one before"),
    ("s, S", "sort by the next column, the one before"),
    ("r", "turn the order round"),
    ("Up, Down, PgUp, PgDn", "scroll the table"),
    ("/", "only rows with a word; Enter keeps it, Esc removes it"),
    ("Space, p", "hold the figures still, and go on"),
    ("c", "forget filter and scrolling"),
    ("h, ?", "this help"),
    ("q, Esc, Ctrl-C", "end"),
];

/// Does what a key says; true when it ends the program.
pub fn press(model: &mut Model, key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
        return true;
    }
    if model.typing {
        match key.code {
            KeyCode::Enter => model.typing = false,
            KeyCode::Esc => {
                model.typing = false;
                model.filter.clear();
            }
            KeyCode::Backspace => drop(model.filter.pop()),
            KeyCode::Char(c) if !control && model.filter.len() < 40 => model.filter.push(c),
            _ => {}
        }
        return false;
    }
    if model.help {
        model.help = false;
        // The key that closes the help does nothing else, but for the one that ends.
        return key.code == KeyCode::Char('q');
    }
    match key.code {
        KeyCode::Char('q') => return true,
        KeyCode::Esc if model.filter.is_empty() => return true,
        KeyCode::Esc => model.filter.clear(),
        KeyCode::Char('h' | '?') => model.help = true,
        KeyCode::Char(' ' | 'p') => model.paused = !model.paused,
        KeyCode::Char('/') => model.typing = true,
        KeyCode::Char('c') => {
            model.filter.clear();
            model.order_mut().scroll = 0;
        }
        KeyCode::Tab => model.focus = turned(model.focus, 1),
        KeyCode::BackTab => model.focus = turned(model.focus, Panel::ALL.len() - 1),
        KeyCode::Char('s') => sort(model, 1),
        KeyCode::Char('S') => {
            let columns = model.focus.columns().len();
            sort(model, columns - 1);
        }
        KeyCode::Char('r') => {
            let order = model.order_mut();
            order.falling = !order.falling;
        }
        KeyCode::Down | KeyCode::Char('j') => scroll(model, 1),
        KeyCode::Up | KeyCode::Char('k') => scroll(model, -1),
        KeyCode::PageDown => scroll(model, 10),
        KeyCode::PageUp => scroll(model, -10),
        KeyCode::Home => model.order_mut().scroll = 0,
        _ => {}
    }
    false
}

fn turned(focus: Panel, by: usize) -> Panel {
    Panel::ALL[(focus as usize + by) % Panel::ALL.len()]
}

fn sort(model: &mut Model, by: usize) {
    let columns = model.focus.columns().len();
    let order = model.order_mut();
    order.column = (order.column + by) % columns;
    // Names from a, figures from the largest.
    order.falling = order.column != 0;
    order.scroll = 0;
}

fn scroll(model: &mut Model, by: isize) {
    let last = model.rows(model.focus).len().saturating_sub(1);
    let order = model.order_mut();
    order.scroll = order.scroll.saturating_add_signed(by).min(last);
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::model;
    use super::*;

    fn type_in(model: &mut Model, keys: &str) -> bool {
        keys.chars().any(|c| {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                '\u{1b}' => KeyCode::Esc,
                '\u{8}' => KeyCode::Backspace,
                c => KeyCode::Char(c),
            };
            press(model, KeyEvent::new(code, KeyModifiers::NONE))
        })
    }

    #[test]
    fn keys_sort_filter_hold_and_end() {
        let mut model = model();
        assert!(!type_in(&mut model, "/qx\u{8}\n"), "q is a letter of the filter");
        assert_eq!((model.filter.as_str(), model.typing), ("q", false));
        assert!(!type_in(&mut model, "\u{1b}"), "it removes the filter first");
        assert_eq!(model.filter, "");
        assert!(!type_in(&mut model, "\t\ts"));
        assert_eq!((model.focus, model.order(Panel::Steps).column), (Panel::Steps, 0));
        assert!(!model.order(Panel::Steps).falling);
        assert!(!type_in(&mut model, "Srp?"));
        assert_eq!(model.order(Panel::Steps).column, 4);
        assert!(!model.order(Panel::Steps).falling && model.paused && model.help);
        assert!(!type_in(&mut model, "p"), "it only closes the help");
        assert!(model.paused && !model.help);
        assert!(!type_in(&mut model, "jjjjjjjjjjjj"));
        assert_eq!(model.order(Panel::Steps).scroll, 1, "never beyond the last row");
        assert!(type_in(&mut model, "q"));
        assert!(press(&mut model, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }
}
