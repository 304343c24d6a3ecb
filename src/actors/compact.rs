//! How the registry holds a registration: whole, or as little as most need.

use std::sync::Arc;

use crate::domain::registration::KeyRecord;
use crate::domain::{Key, Profile, Registration, Standing, Timestamp};

/// A registration as it is held.
pub enum Held {
    /// A HAT with one key and nothing else: nearly every one, and there are many.
    Plain(Plain),
    /// Anything else.
    Whole(Arc<Registration>),
}

/// All that differs between two HATs of one key that nothing else was ever said of.
pub struct Plain {
    key: Key,
    from: Timestamp,
    n: u64,
    standing_n: u64,
    /// None: [`Profile::HAT`].
    profile: Option<Box<Profile>>,
    standing: Standing,
}

impl Held {
    /// The smallest form that gives the registration back as it is.
    pub fn new(registration: Registration) -> Self {
        match Plain::of(&registration) {
            Some(plain) if plain.whole() == registration => Held::Plain(plain),
            _ => {
                let mut registration = registration;
                registration.keys.shrink_to_fit();
                Held::Whole(Arc::new(registration))
            }
        }
    }

    /// The registration. Of a plain one it is made anew: about 0.1 µs.
    pub fn whole(&self) -> Arc<Registration> {
        match self {
            Held::Plain(plain) => Arc::new(plain.whole()),
            Held::Whole(whole) => Arc::clone(whole),
        }
    }

    /// Where the party stands.
    pub fn standing(&self) -> Standing {
        match self {
            Held::Plain(plain) => plain.standing,
            Held::Whole(whole) => whole.standing,
        }
    }
}

impl Plain {
    fn of(registration: &Registration) -> Option<Self> {
        let [key] = &registration.keys[..] else { return None };
        // What is asked of again and again, as of a plug, is not to be made anew each time.
        let profile = registration.profile.as_ref().filter(|it| matches!(it, Profile::Hat { .. }))?;
        Some(Plain {
            key: key.key,
            from: key.from,
            n: key.n,
            standing_n: registration.standing_n,
            profile: (*profile != Profile::HAT).then(|| Box::new(profile.clone())),
            standing: registration.standing,
        })
    }

    fn whole(&self) -> Registration {
        Registration {
            standing: self.standing,
            keys: vec![KeyRecord { key: self.key, from: self.from, until: None, n: self.n }],
            profile: Some(self.profile.as_deref().cloned().unwrap_or(Profile::HAT)),
            standing_n: self.standing_n,
            ..Registration::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::registration::Transport;

    fn plain(profile: Profile) -> Registration {
        Registration {
            standing: Standing::Active,
            keys: vec![KeyRecord { key: Key([7; 32]), from: Timestamp(5), until: None, n: 2 }],
            profile: Some(profile),
            standing_n: 3,
            ..Registration::default()
        }
    }

    #[test]
    fn what_is_held_comes_back_as_it_was() {
        let bridged = Profile::Hat { public_key: None, transport: Transport::Http, bridge: None };
        let usual = [plain(Profile::HAT), plain(bridged)];
        for registration in usual {
            let held = Held::new(registration.clone());
            assert!(matches!(held, Held::Plain(_)), "{registration:?}");
            assert_eq!((held.standing(), &*held.whole()), (registration.standing, &registration));
        }
        let ended = |mut it: Registration| {
            it.keys[0].until = Some(Timestamp(9));
            it
        };
        let rare = [
            Registration::default(),
            plain(Profile::Org { name: "Acme".into() }),
            ended(plain(Profile::HAT)),
            Registration { suspended_itself: true, ..plain(Profile::HAT) },
            Registration { approved_n: 1, ..plain(Profile::HAT) },
            Registration { profile: None, ..plain(Profile::HAT) },
        ];
        for registration in rare {
            let held = Held::new(registration.clone());
            assert!(matches!(held, Held::Whole(_)), "{registration:?}");
            assert_eq!((held.standing(), &*held.whole()), (registration.standing, &registration));
        }
    }

    #[test]
    fn a_plain_registration_is_small() {
        assert!(size_of::<Held>() <= 80, "{}", size_of::<Held>());
    }
}
