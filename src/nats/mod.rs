//! (placeholder heading; replaced by the folder's own)
