//! Scenarios of dialogs and the attendant.
