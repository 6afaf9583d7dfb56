//! Pictures in two widths: for a desktop, and for a phone.

/// What a picture has to fit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    Desktop,
    Phone,
}

impl Screen {
    pub(crate) const ALL: [Self; 2] = [Self::Desktop, Self::Phone];

    pub(crate) const fn width(self) -> f64 {
        match self {
            Self::Desktop => 760.0,
            Self::Phone => 380.0,
        }
    }

    /// The file of a picture with this name.
    pub(crate) fn file(self, name: &str) -> String {
        match self {
            Self::Desktop => format!("{name}.svg"),
            Self::Phone => format!("{name}-phone.svg"),
        }
    }
}

/// The picture with this name, as a page shows it.
pub(crate) fn element(name: &str, alt: &str) -> String {
    let (desktop, phone) = (Screen::Desktop.file(name), Screen::Phone.file(name));
    let alt = alt.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<picture><source media=\"(max-width: 600px)\" srcset=\"{phone}\"><img src=\"{desktop}\" alt=\"{alt}\"></picture>"
    )
}
