package cause

// validate checks what only shows when all files are read.
func (c *Catalogue) validate() error {
	for _, e := range c.entries {
		for _, lang := range Languages() {
			if e.said[lang] == nil {
				e.said[lang] = &said{title: e.Meaning}
			}
		}
	}
	return nil
}
