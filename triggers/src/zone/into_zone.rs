//! What a zone may be given as.

use super::{UnknownZone, Zone};

/// A time zone, or what names one: a [`Zone`], a name as [`Zone::named`] takes it, [`chrono::Utc`], or [`chrono::Local`] for the
/// [zone of this machine](Zone::system). With the feature `chrono-tz`, also the zones of that crate.
///
/// ```
/// use matins_triggers::{IntoZone, Zone};
///
/// let berlin = Zone::named("Europe/Berlin").unwrap();
/// assert_eq!("Europe/Berlin".into_zone(), Ok(berlin));
/// assert_eq!(chrono::Utc.into_zone(), Ok(Zone::utc()));
/// assert!("Europe/Berlim".into_zone().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a time zone",
    note = "write a name such as \"Europe/Berlin\", a `Zone`, `chrono::Utc` or `chrono::Local`; for `chrono_tz::Tz` enable the \
            feature `chrono-tz`"
)]
pub trait IntoZone {
    /// Returns the zone.
    ///
    /// # Errors
    /// If there is no zone of that name.
    fn into_zone(self) -> Result<Zone, UnknownZone>;
}

impl IntoZone for Zone {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Ok(self)
    }
}

impl IntoZone for &str {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Zone::named(self)
    }
}

impl IntoZone for String {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Zone::named(&self)
    }
}

impl IntoZone for &String {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Zone::named(self)
    }
}

impl IntoZone for chrono::Utc {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Ok(Zone::utc())
    }
}

impl IntoZone for chrono::Local {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Zone::system().map_err(|error| UnknownZone::because("localtime", error.to_string()))
    }
}

#[cfg(feature = "chrono-tz")]
impl IntoZone for chrono_tz::Tz {
    fn into_zone(self) -> Result<Zone, UnknownZone> {
        Zone::named(self.name())
    }
}

impl AsRef<str> for Zone {
    /// Its name.
    fn as_ref(&self) -> &str {
        self.name()
    }
}
