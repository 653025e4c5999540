package settings

// Nearest returns the candidate that a name is most likely a misspelling of, or "": one letter
// off for short names, two for those of nine letters and more. It is a guess from the letters alone.
func Nearest(name string, candidates []string) string { return nearest(name, candidates) }
